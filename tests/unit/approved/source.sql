-- pin
SET DateStyle = 'ISO, YMD';
SET TimeZone = 'UTC';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = '1';
SET bytea_output = 'hex';
SET client_encoding = 'UTF8';
SET search_path = '';
SET row_security = 'off';
SET xmlbinary = 'base64';
SET xmloption = 'content';
SET quote_all_identifiers = 'off';
SET transform_null_equals = 'off';
SET default_transaction_read_only = 'on';
SET default_transaction_isolation = 'repeatable read';
SET default_transaction_deferrable = 'off';
SET idle_in_transaction_session_timeout = '0';
SET idle_session_timeout = '0';
SET synchronize_seqscans = 'off';
SET max_parallel_workers_per_gather = '0';
SET jit = 'off';
SET enable_tidscan = 'on';
SET client_connection_check_interval = '2s';
SET statement_timeout = '3600000';
SET lock_timeout = '2500';

-- pin, in PostgreSQL 17
SET transaction_timeout = '0';
SET statement_timeout = '3600000';
SET lock_timeout = '2500';

-- copy_select, a chunk
SELECT "id" AS c1, "no""te" AS c2, "code" AS c3, "at" AS c4 FROM ONLY "shop"."or'ders" WHERE ctid >= '(3,0)'::tid AND
    ctid < '(7,0)'::tid;

-- copy_select, with an end, the last chunk, what changed
SELECT "id" AS c1, "data" AS c2, "more" AS c3, '.'::text AS c4 FROM ONLY "shop"."or'ders" WHERE ctid >= '(7,0)'::tid
    AND ("at" > '2025-01-01'::timestamptz AND "at" <= '2025-02-01'::timestamptz OR "at" IS NULL);

-- copy_select, repaired
SELECT "id" AS c1, '.'::text AS c2 FROM ONLY "shop"."or'ders" WHERE id > 7;

-- copy_select, a view
SELECT "id" AS c1, "no""te" AS c2, "code" AS c3, "at" AS c4 FROM "shop"."or'ders";

-- lines_select, a page at a time
SELECT l.* FROM generate_series(3, 7 - 1) AS borealis_page(n), LATERAL (SELECT textsend(string_agg(CASE WHEN ROW(c1,
    c2, c3, c4) IS NOT NULL AND strpos(concat_ws('', c2, c3), '"') = 0 THEN concat_ws(',', c1, '"' || concat_ws('","',
    c2, c3) || '"', c4) ELSE concat_ws(',', concat(c1), CASE WHEN c2 IS NOT DISTINCT FROM NULL THEN '' ELSE '"' ||
    replace(concat(c2), '"', '""') || '"' END, CASE WHEN c3 IS NOT DISTINCT FROM NULL THEN '' ELSE '"' ||
    replace(concat(c3), '"', '""') || '"' END, concat(c4)) END, E'\n')), count(*) FROM (SELECT "id" AS c1, "no""te" AS
    c2, "code" AS c3, "at" AS c4 FROM ONLY "shop"."or'ders" WHERE ctid >= concat('(', borealis_page.n, ',0)')::tid AND
    ctid < concat('(', borealis_page.n + 1, ',0)')::tid OFFSET 0) AS r HAVING count(*) > 0) AS l;

-- lines_select, to the last page
SELECT l.* FROM generate_series(0, pg_relation_size('77'::regclass) / current_setting('block_size')::int - 1) AS
    borealis_page(n), LATERAL (SELECT textsend(string_agg(CASE WHEN ROW(c1, c2, c3, c4) IS NOT NULL AND
    strpos(concat_ws('', c2, c3), '"') = 0 THEN concat_ws(',', c1, '"' || concat_ws('","', c2, c3) || '"', c4) ELSE
    concat_ws(',', concat(c1), CASE WHEN c2 IS NOT DISTINCT FROM NULL THEN '' ELSE '"' || replace(concat(c2), '"',
    '""') || '"' END, CASE WHEN c3 IS NOT DISTINCT FROM NULL THEN '' ELSE '"' || replace(concat(c3), '"', '""') || '"'
    END, concat(c4)) END, E'\n')), count(*) FROM (SELECT "id" AS c1, "no""te" AS c2, "code" AS c3, "at" AS c4 FROM
    ONLY "shop"."or'ders" WHERE ctid >= concat('(', borealis_page.n, ',0)')::tid AND ctid < concat('(',
    borealis_page.n + 1, ',0)')::tid OFFSET 0) AS r HAVING count(*) > 0) AS l;

-- lines_select, a row at a time
SELECT textsend(CASE WHEN ROW(c1, c2, c3, c4) IS NOT NULL AND strpos(concat_ws('', c2, c3), '"') = 0 THEN
    concat_ws(',', c1, '"' || concat_ws('","', c2, c3) || '"', c4) ELSE concat_ws(',', concat(c1), CASE WHEN c2 IS NOT
    DISTINCT FROM NULL THEN '' ELSE '"' || replace(concat(c2), '"', '""') || '"' END, CASE WHEN c3 IS NOT DISTINCT
    FROM NULL THEN '' ELSE '"' || replace(concat(c3), '"', '""') || '"' END, concat(c4)) END), 1 FROM (SELECT "id" AS
    c1, "no""te" AS c2, "code" AS c3, "at" AS c4 FROM ONLY "shop"."or'ders" WHERE ctid >= '(7,0)'::tid OFFSET 0) AS r;

-- line_select, parsed
SELECT textsend(concat_ws(',', concat(c1), CASE WHEN c2 IS NOT DISTINCT FROM NULL THEN '' ELSE '"' ||
    replace(concat(c2), '"', '""') || '"' END, CASE WHEN c3 IS NOT DISTINCT FROM NULL THEN '' ELSE '"' ||
    replace(concat(c3), '"', '""') || '"' END, concat(c4))), 1 FROM (SELECT "id" AS c1, "data" AS c2, "more" AS c3,
    '.'::text AS c4 FROM t OFFSET 0) AS r;

-- line_select, one field
SELECT textsend(CASE WHEN ROW(c1, c2) IS NOT NULL AND strpos(concat(c1), '"') = 0 THEN concat_ws(',', '"' ||
    concat(c1) || '"', c2) ELSE concat_ws(',', CASE WHEN c1 IS NOT DISTINCT FROM NULL THEN '' ELSE '"' ||
    replace(concat(c1), '"', '""') || '"' END, concat(c2)) END), 1 FROM (SELECT "code" AS c1, '.'::text AS c2 FROM t
    OFFSET 0) AS r;

-- line_select, numbers
SELECT textsend(CASE WHEN ROW(c1, c2) IS NOT NULL THEN concat_ws(',', c1, c2) ELSE concat_ws(',', concat(c1),
    concat(c2)) END), 1 FROM (SELECT "id" AS c1, "at" AS c2 FROM t OFFSET 0) AS r;

-- all_rows_of
SELECT 1 FROM "shop"."or'ders";

-- all_rows_of, what changed
SELECT 1 FROM "shop"."or'ders" WHERE "at" > '2025-01-01'::timestamptz AND "at" <= '2025-02-01'::timestamptz;

-- unflagged
SELECT 1 FROM (SELECT * FROM t) AS r WHERE NOT (("gone") IS TRUE);

-- unflagged, by a time
SELECT 1 FROM (SELECT * FROM t) AS r WHERE NOT (("at") IS NOT NULL);

-- unflagged, without a flag
SELECT 1 FROM t;

-- flagged, without a flag
false;

-- count_apart
SELECT count(*) FILTER (WHERE NOT (("gone") IS TRUE)), count(*) FILTER (WHERE NOT (("gone") IS TRUE) AND coalesce("at"
    > '2025-01-01'::timestamptz, false)), count(*) FILTER (WHERE (("gone") IS TRUE) AND coalesce("at" >
    '2025-01-01'::timestamptz, false)) FROM t;

-- count_apart, nothing newer
SELECT count(*), 0, 0 FROM (SELECT * FROM t) AS r WHERE NOT (("gone") IS TRUE);

-- measure
SELECT a, b, c, d, e, f FROM t;

-- count_losses
SELECT count(*) FILTER (WHERE (length(v) > 9)), count(*) FILTER (WHERE n(v)), count(*) FILTER (WHERE y(at)) FROM t;

-- lost_keys
SELECT left("id"::text, 200), left("no""te"::text, 200) FROM (SELECT * FROM t) AS r WHERE (length(v) > 9) LIMIT 10;

-- count_newer
SELECT count(*), count(*) FILTER (WHERE age(xmin) BETWEEN 0 AND age('42'::xid)) FROM t;

-- cursor_bounds, by an index
SELECT greatest((SELECT max("id") FROM "shop"."or'ders" WHERE c < 5), '3'::int8)::text, (SELECT count(*) FROM
    "shop"."or'ders" WHERE "id" IS NULL), (SELECT count(*) FROM "shop"."or'ders" WHERE NOT (c < 5));

-- cursor_bounds
SELECT greatest(max("at") FILTER (WHERE c < 5), NULL::timestamptz)::text, count(*) FILTER (WHERE "at" IS NULL),
    count(*) FILTER (WHERE NOT (c < 5)) FROM "shop"."or'ders";

-- cursor_max
SELECT max("at")::text FROM "shop"."or'ders";

-- has_older_values
SELECT EXISTS (SELECT 1 FROM "shop"."or'ders" WHERE ("a" IS DISTINCT FROM NULL OR "b""b" IS DISTINCT FROM NULL) AND
    "at" <= '2025-01-01'::timestamptz);

-- waiting
SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND relation = ANY($1::oid[]);

-- checksum
SELECT count(*), coalesce(sum(('x' || substr(md5(concat_ws('|', coalesce("id"::text, '~'), coalesce(md5("no""te"),
    '~'))), 18, 15))::bit(60)::bigint), 0)::numeric FROM t;

-- checksum, of what is not compared
SELECT count(*), coalesce(sum(0), 0)::numeric FROM t;
