-- buckets
SELECT MOD(k, 4096) AS b, COUNT(*), SUM(d) FROM (SELECT ('x' || substr(md5((coalesce("id"::text, '~'))), 18,
    15))::bit(60)::bigint AS k, ('x' || substr(md5(concat_ws('|', coalesce("id"::text, '~'), coalesce(md5("no""te"),
    '~'))), 18, 15))::bit(60)::bigint AS d FROM t) AS r GROUP BY 1;

-- buckets, a sample
SELECT MOD(k, 4096) AS b, COUNT(*), SUM(d) FROM (SELECT BITAND(MD5_NUMBER_LOWER64(COALESCE(TO_VARCHAR("ID"), '~')),
    1152921504606846975) AS k, BITAND(MD5_NUMBER_LOWER64(CONCAT_WS('|', COALESCE(TO_VARCHAR("ID"), '~'),
    COALESCE(MD5("NO""TE"), '~'))), 1152921504606846975) AS d FROM t) AS r WHERE MOD(k, 4096) < 64 GROUP BY 1;

-- buckets, of what is not compared
SELECT MOD(k, 4096) AS b, COUNT(*), SUM(d) FROM (SELECT 0 AS k, 0 AS d FROM t) AS r GROUP BY 1;

-- buckets, of what is not compared, at the target
SELECT MOD(k, 4096) AS b, COUNT(*), SUM(d) FROM (SELECT 0 AS k, 0 AS d FROM t) AS r GROUP BY 1;

-- rows_in
SELECT k, d, n, g FROM (SELECT ('x' || substr(md5((coalesce("id"::text, '~'))), 18, 15))::bit(60)::bigint AS k, ('x'
    || substr(md5(concat_ws('|', coalesce("id"::text, '~'), coalesce(md5("no""te"), '~'))), 18, 15))::bit(60)::bigint
    AS d, coalesce("at" > '2025-01-01'::timestamptz, false) AS n, (("gone") IS TRUE) AS g FROM t) AS r WHERE MOD(k,
    4096) IN (1, 5);

-- rows_in, at the target
SELECT k, d, n, g FROM (SELECT BITAND(MD5_NUMBER_LOWER64(COALESCE(TO_VARCHAR("ID"), '~')), 1152921504606846975) AS k,
    BITAND(MD5_NUMBER_LOWER64(CONCAT_WS('|', COALESCE(TO_VARCHAR("ID"), '~'), COALESCE(MD5("NO""TE"), '~'))),
    1152921504606846975) AS d, false AS n, false AS g FROM t) AS r WHERE MOD(k, 4096) IN (7);

-- columns_at_source
SELECT * FROM (SELECT ('x' || substr(md5((coalesce("id"::text, '~'))), 18, 15))::bit(60)::bigint AS k, CASE WHEN "id"
    IS DISTINCT FROM NULL THEN concat("id") END AS c0, CASE WHEN "no""te" IS DISTINCT FROM NULL THEN concat("no""te")
    END AS c1, ('x' || substr(md5((coalesce("id"::text, '~'))), 18, 15))::bit(60)::bigint AS c2, ('x' ||
    substr(md5((coalesce(md5("no""te"), '~'))), 18, 15))::bit(60)::bigint AS c3, 0 AS c4, 0 AS c5 FROM t) AS r WHERE k
    IN (8, 9);

-- columns_at_target
SELECT * FROM (SELECT BITAND(MD5_NUMBER_LOWER64(COALESCE(TO_VARCHAR("ID"), '~')), 1152921504606846975) AS k,
    TO_VARCHAR("ID") AS c0, TO_VARCHAR("NO""TE") AS c1, BITAND(MD5_NUMBER_LOWER64(COALESCE(TO_VARCHAR("ID"), '~')),
    1152921504606846975) AS c2, BITAND(MD5_NUMBER_LOWER64(COALESCE(MD5("NO""TE"), '~')), 1152921504606846975) AS c3, 0
    AS c4, 0 AS c5 FROM t) AS r WHERE k IN (8, 9);

-- mark
UPDATE t t SET "GONE_AT" = CURRENT_TIMESTAMP()::TIMESTAMP_NTZ(6) WHERE t."GONE_AT" IS NULL AND
    BITAND(MD5_NUMBER_LOWER64(COALESCE(TO_VARCHAR("ID"), '~')), 1152921504606846975) IN (8, 9);

-- delete
DELETE FROM t WHERE BITAND(MD5_NUMBER_LOWER64(COALESCE(TO_VARCHAR("ID"), '~')), 1152921504606846975) IN (8, 9);

-- checksum_of
SELECT COUNT(*), COALESCE(SUM(BITAND(MD5_NUMBER_LOWER64(CONCAT_WS('|', COALESCE(TO_VARCHAR("ID"), '~'),
    COALESCE(MD5("NO""TE"), '~'))), 1152921504606846975)), 0) FROM t WHERE
    BITAND(MD5_NUMBER_LOWER64(COALESCE(TO_VARCHAR("ID"), '~')), 1152921504606846975) IN (8, 9);
