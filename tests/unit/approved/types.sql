-- int8
C NUMBER(19,0), loaded by {}, bare;
select, error: "c";
compared, source: ("c")::text;
compared, target: TO_VARCHAR("C"::NUMBER(38,0));

-- numeric(12,2)
C NUMBER(12,2), loaded by {}, bare;
EXACT: "c" <> 'NaN'::numeric;
select, null: CASE WHEN EXACT THEN "c" END;
select, error: "c";
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, nan: "c" = 'NaN'::numeric;
compared, source: round((CASE WHEN EXACT THEN "c" END)::numeric, 2)::text;
compared, target: TO_VARCHAR("C"::NUMBER(38,2));

-- numeric, measured
C NUMBER(38,4), loaded by {}, bare;
EXACT: min_scale(("c")::numeric) <= 4 AND NOT ((("c")::numeric < 'Infinity'::numeric AND ("c")::numeric >
    '-Infinity'::numeric) AND abs(("c")::numeric) >= 1e34);
select, null: CASE WHEN EXACT THEN "c" END;
select, error: CASE WHEN min_scale(("c")::numeric) <= 4 THEN "c" WHEN "c" IS NOT NULL THEN concat('borealis:loss:3:',
    CASE WHEN NOT (("c")::numeric < 'Infinity'::numeric AND ("c")::numeric > '-Infinity'::numeric) THEN 'nan' ELSE
    'digits' END)::numeric END;
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, nan: NOT (("c")::numeric < 'Infinity'::numeric AND ("c")::numeric > '-Infinity'::numeric);
lost, digits: min_scale(("c")::numeric) > 4;
lost, range: ((("c")::numeric < 'Infinity'::numeric AND ("c")::numeric > '-Infinity'::numeric) AND abs(("c")::numeric)
    >= 1e34);
compared, source: round((CASE WHEN EXACT THEN "c" END)::numeric, 4)::text;
compared, target: TO_VARCHAR("C"::NUMBER(38,4));

-- money
C NUMBER(19,2), loaded by {}, bare;
EXACT: min_scale(("c")::numeric) <= 2 AND NOT ((("c")::numeric < 'Infinity'::numeric AND ("c")::numeric >
    '-Infinity'::numeric) AND abs(("c")::numeric) >= 1e17);
select, null: CASE WHEN EXACT THEN ("c")::numeric END;
select, error: CASE WHEN min_scale(("c")::numeric) <= 2 THEN ("c")::numeric WHEN "c" IS NOT NULL THEN
    concat('borealis:loss:3:', CASE WHEN NOT (("c")::numeric < 'Infinity'::numeric AND ("c")::numeric >
    '-Infinity'::numeric) THEN 'nan' ELSE 'digits' END)::numeric END;
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, nan: NOT (("c")::numeric < 'Infinity'::numeric AND ("c")::numeric > '-Infinity'::numeric);
lost, digits: min_scale(("c")::numeric) > 2;
lost, range: ((("c")::numeric < 'Infinity'::numeric AND ("c")::numeric > '-Infinity'::numeric) AND abs(("c")::numeric)
    >= 1e17);
compared, source: round((CASE WHEN EXACT THEN ("c")::numeric END)::numeric, 2)::text;
compared, target: TO_VARCHAR("C"::NUMBER(38,2));

-- bool
C BOOLEAN, loaded by {}, bare;
select, error: "c";
compared, source: CASE WHEN "c" THEN '1' WHEN NOT "c" THEN '0' END;
compared, target: CASE WHEN "C" THEN '1' WHEN NOT "C" THEN '0' END;

-- float8
C FLOAT, loaded by {}, bare;
select, error: "c";
compared, source: CASE WHEN "c" < '0.0'::float8 THEN '-' ELSE '' END || CASE WHEN ABS("c") >= '0.00390625'::float8 AND
    ABS("c") < '9.223372036854776e+18'::float8 THEN (TRUNC(ABS("c")))::int8::text || '.' || ((ABS("c") -
    TRUNC(ABS("c"))) * '1.152921504606847e+18'::float8)::int8::text WHEN "c" = '0.0'::float8 THEN '0' WHEN "c" =
    'NaN'::float8 THEN 'nan' WHEN ABS("c") = 'Infinity'::float8 THEN 'inf' WHEN ABS("c") >= '0.0'::float8 THEN '29:'
    || (TRUNC(ABS("c") * '1.1235582092889474e+307'::float8))::int8::text || '.' || ((ABS("c") *
    '1.1235582092889474e+307'::float8 - TRUNC(ABS("c") * '1.1235582092889474e+307'::float8)) *
    '1.152921504606847e+18'::float8)::int8::text END;
compared, target: CASE WHEN "C" < '0.0'::FLOAT THEN '-' ELSE '' END || CASE WHEN ABS("C") >= '0.00390625'::FLOAT AND
    ABS("C") < '9.223372036854776e+18'::FLOAT THEN TO_VARCHAR((TRUNC(ABS("C")))::NUMBER(38,0)) || '.' ||
    TO_VARCHAR(((ABS("C") - TRUNC(ABS("C"))) * '1.152921504606847e+18'::FLOAT)::NUMBER(38,0)) WHEN "C" = '0.0'::FLOAT
    THEN '0' WHEN "C" = 'NaN'::FLOAT THEN 'nan' WHEN ABS("C") = 'inf'::FLOAT THEN 'inf' WHEN ABS("C") >= '0.0'::FLOAT
    THEN '29:' || TO_VARCHAR((TRUNC(ABS("C") * '1.1235582092889474e+307'::FLOAT))::NUMBER(38,0)) || '.' ||
    TO_VARCHAR(((ABS("C") * '1.1235582092889474e+307'::FLOAT - TRUNC(ABS("C") * '1.1235582092889474e+307'::FLOAT)) *
    '1.152921504606847e+18'::FLOAT)::NUMBER(38,0)) END;

-- float4
C FLOAT, loaded by {}, bare;
select, error: "c";
compared, source: CASE WHEN ("c")::text::float8 < '0.0'::float8 THEN '-' ELSE '' END || CASE WHEN
    ABS(("c")::text::float8) >= '0.00390625'::float8 AND ABS(("c")::text::float8) < '9.223372036854776e+18'::float8
    THEN (TRUNC(ABS(("c")::text::float8)))::int8::text || '.' || ((ABS(("c")::text::float8) -
    TRUNC(ABS(("c")::text::float8))) * '1.152921504606847e+18'::float8)::int8::text WHEN ("c")::text::float8 =
    '0.0'::float8 THEN '0' WHEN ("c")::text::float8 = 'NaN'::float8 THEN 'nan' WHEN ABS(("c")::text::float8) =
    'Infinity'::float8 THEN 'inf' WHEN ABS(("c")::text::float8) >= '0.0'::float8 THEN '29:' ||
    (TRUNC(ABS(("c")::text::float8) * '1.1235582092889474e+307'::float8))::int8::text || '.' ||
    ((ABS(("c")::text::float8) * '1.1235582092889474e+307'::float8 - TRUNC(ABS(("c")::text::float8) *
    '1.1235582092889474e+307'::float8)) * '1.152921504606847e+18'::float8)::int8::text END;
compared, target: CASE WHEN "C" < '0.0'::FLOAT THEN '-' ELSE '' END || CASE WHEN ABS("C") >= '0.00390625'::FLOAT AND
    ABS("C") < '9.223372036854776e+18'::FLOAT THEN TO_VARCHAR((TRUNC(ABS("C")))::NUMBER(38,0)) || '.' ||
    TO_VARCHAR(((ABS("C") - TRUNC(ABS("C"))) * '1.152921504606847e+18'::FLOAT)::NUMBER(38,0)) WHEN "C" = '0.0'::FLOAT
    THEN '0' WHEN "C" = 'NaN'::FLOAT THEN 'nan' WHEN ABS("C") = 'inf'::FLOAT THEN 'inf' WHEN ABS("C") >= '0.0'::FLOAT
    THEN '29:' || TO_VARCHAR((TRUNC(ABS("C") * '1.1235582092889474e+307'::FLOAT))::NUMBER(38,0)) || '.' ||
    TO_VARCHAR(((ABS("C") * '1.1235582092889474e+307'::FLOAT - TRUNC(ABS("C") * '1.1235582092889474e+307'::FLOAT)) *
    '1.152921504606847e+18'::FLOAT)::NUMBER(38,0)) END;

-- text
C VARCHAR(134217728), loaded by {}, quoted;
EXACT: octet_length("c") <= 134217728;
select, null: CASE WHEN EXACT THEN "c" END;
select, error: "c";
lost, size: octet_length("c") > 134217728;
compared, source: md5(convert_to((CASE WHEN EXACT THEN "c" END)::text, 'UTF8'));
compared, target: MD5("C");

-- uuid
C VARCHAR(36), loaded by {}, quoted;
select, error: "c";
compared, source: CASE WHEN "c" IS DISTINCT FROM NULL THEN md5(convert_to(concat("c"), 'UTF8')) END;
compared, target: MD5("C");

-- bytea
C BINARY(67108864), loaded by {}, quoted;
EXACT: octet_length("c") <= 67108864;
select, null: CASE WHEN EXACT THEN encode("c", 'hex') END;
select, error: encode("c", 'hex');
lost, size: octet_length("c") > 67108864;
compared, source: md5(CASE WHEN EXACT THEN encode("c", 'hex') END);
compared, target: MD5(HEX_ENCODE("C", 0));

-- date
C DATE, loaded by {}, bare;
EXACT: ("c" >= '0001-01-01'::date AND "c" < '10000-01-01'::date);
select, null: CASE WHEN EXACT THEN "c" END;
select, error: "c";
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, infinity: NOT isfinite("c");
lost, year: (isfinite("c") AND NOT ("c" >= '0001-01-01'::date AND "c" < '10000-01-01'::date));
compared, source: (CASE WHEN EXACT THEN "c" END - '1970-01-01'::date)::text;
compared, target: TO_VARCHAR(DATEDIFF('day', '1970-01-01'::DATE, "C"));

-- timestamp
C TIMESTAMP_NTZ(6), loaded by {}, bare;
EXACT: ("c" >= '0001-01-01 00:00:00'::timestamp AND "c" < '10000-01-01 00:00:00'::timestamp);
select, null: CASE WHEN EXACT THEN "c" END;
select, error: "c";
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, infinity: NOT isfinite("c");
lost, year: (isfinite("c") AND NOT ("c" >= '0001-01-01 00:00:00'::timestamp AND "c" < '10000-01-01
    00:00:00'::timestamp));
compared, source: (extract(epoch FROM CASE WHEN EXACT THEN "c" END) * 1000000)::int8::text;
compared, target: TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, "C"));

-- timestamptz
C TIMESTAMP_TZ(6), loaded by {}, bare;
EXACT: ("c" >= '0001-01-01 00:00:00+00'::timestamptz AND "c" < '10000-01-01 00:00:00+00'::timestamptz);
select, null: CASE WHEN EXACT THEN "c" END;
select, error: "c";
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, infinity: NOT isfinite("c");
lost, year: (isfinite("c") AND NOT ("c" >= '0001-01-01 00:00:00+00'::timestamptz AND "c" < '10000-01-01
    00:00:00+00'::timestamptz));
compared, source: (extract(epoch FROM CASE WHEN EXACT THEN "c" END) * 1000000)::int8::text;
compared, target: TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, "C"));

-- time
C TIME(6), loaded by {}, bare;
EXACT: "c" < '24:00:00'::time;
select, null: CASE WHEN EXACT THEN "c" END;
select, error: "c";
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, midnight: "c" = '24:00:00'::time;
compared, source: to_char(CASE WHEN EXACT THEN "c" END, 'HH24:MI:SS.US');
compared, target: TO_VARCHAR("C", 'HH24:MI:SS.FF6');

-- json
C VARIANT, loaded by PARSE_JSON({}), quoted;
EXACT: octet_length(x) <= 134217728 AND (x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') >
    0 OR regexp_replace(replace(x, E'\\\\', '__'), E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}',
    '', 'g') ~ E'\\\\u[dD][89a-fA-F]')) AND (x !~
    E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' OR NOT EXISTS (SELECT FROM
    regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) AND NOT ((x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 OR
    regexp_replace(replace(x, E'\\\\', '__'), E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '',
    'g') ~ E'\\\\u[dD][89a-fA-F]')) AND x IS NOT JSON WITH UNIQUE KEYS);
select, null: (SELECT CASE WHEN EXACT THEN x END FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
select, error: (SELECT CASE WHEN octet_length(x) <= 134217728 AND (x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x,
    E'\\\\', '__'), E'\\u0000') > 0 OR regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]')) AND (x !~
    E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' OR NOT EXISTS (SELECT FROM
    regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) THEN x WHEN x IS NOT NULL THEN concat('borealis:loss:3:', CASE WHEN octet_length(x) > 134217728 THEN 'size'
    WHEN strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 THEN 'nul' WHEN regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]' THEN
    'surrogate' ELSE 'digits' END)::int4::text END FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
C__PG_TEXT VARCHAR(134217728), text: (SELECT CASE WHEN EXACT THEN NULL WHEN v IS DISTINCT FROM NULL THEN concat(v) END
    FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, size: (SELECT octet_length(x) > 134217728 FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, nul: (SELECT strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0)
    AS s);
lost, surrogate: (SELECT regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]' FROM (SELECT
    ("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, digits: (SELECT (x ~ E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' AND EXISTS (SELECT
    FROM regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, duplicate: (SELECT ((x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 OR
    regexp_replace(replace(x, E'\\\\', '__'), E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '',
    'g') ~ E'\\\\u[dD][89a-fA-F]')) AND x IS NOT JSON WITH UNIQUE KEYS) FROM (SELECT ("c")::text AS x, "c" AS v OFFSET
    0) AS s);
compared, source: CASE json_typeof("c") WHEN 'array' THEN 'array ' || json_array_length("c") ELSE json_typeof("c") END;
compared, target: CASE TYPEOF("C") WHEN 'ARRAY' THEN 'array ' || TO_VARCHAR(ARRAY_SIZE("C")) WHEN 'OBJECT' THEN
    'object' WHEN 'VARCHAR' THEN 'string' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL_VALUE' THEN 'null' ELSE CASE WHEN
    "C" IS NOT NULL THEN 'number' END END;

-- jsonb
C VARIANT, loaded by PARSE_JSON({}), quoted;
EXACT: octet_length(x) <= 134217728 AND (octet_length(x) < 39 OR x !~ '[0-9.]{39}' OR NOT EXISTS (SELECT FROM
    regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END));
select, null: (SELECT CASE WHEN EXACT THEN x END FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
select, error: (SELECT CASE WHEN octet_length(x) <= 134217728 AND (octet_length(x) < 39 OR x !~ '[0-9.]{39}' OR NOT
    EXISTS (SELECT FROM regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"',
    '', 'g'), E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE
    WHEN length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) THEN x WHEN x IS NOT NULL THEN concat('borealis:loss:3:', CASE WHEN octet_length(x) > 134217728 THEN 'size'
    ELSE 'digits' END)::int4::text END FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
select, watched: ("c")::text;
C__PG_TEXT VARCHAR(134217728), text: (SELECT CASE WHEN EXACT THEN NULL WHEN v IS DISTINCT FROM NULL THEN concat(v) END
    FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, size: (SELECT octet_length(x) > 134217728 FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, digits: (SELECT (x ~ '[0-9.]{39}' AND EXISTS (SELECT FROM regexp_matches(regexp_replace(replace(x, E'\\\\',
    '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'), E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m),
    LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~
    '[eE]' OR scale(t::numeric) > 37 OR length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0
    THEN false WHEN t::numeric BETWEEN 5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <>
    t::numeric ELSE true END ELSE false END)) FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
compared, source: CASE jsonb_typeof("c") WHEN 'array' THEN 'array ' || jsonb_array_length("c") ELSE jsonb_typeof("c")
    END;
compared, target: CASE TYPEOF("C") WHEN 'ARRAY' THEN 'array ' || TO_VARCHAR(ARRAY_SIZE("C")) WHEN 'OBJECT' THEN
    'object' WHEN 'VARCHAR' THEN 'string' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL_VALUE' THEN 'null' ELSE CASE WHEN
    "C" IS NOT NULL THEN 'number' END END;

-- hstore
C VARIANT, loaded by PARSE_JSON({}), quoted;
EXACT: NOT octet_length(to_json("c")::text) > 134217728;
select, null: CASE WHEN EXACT THEN to_json("c")::text END;
select, error: to_json("c")::text;
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, size: octet_length(to_json("c")::text) > 134217728;
compared, source: CASE WHEN "c" IS DISTINCT FROM NULL THEN '1' END;
compared, target: CASE WHEN "C" IS NOT NULL THEN '1' END;

-- vector
C ARRAY, loaded by PARSE_JSON({}), quoted;
select, error: "c";
compared, source: CASE WHEN "c" IS DISTINCT FROM NULL THEN '1' END;
compared, target: CASE WHEN "C" IS NOT NULL THEN '1' END;

-- halfvec
C ARRAY, loaded by PARSE_JSON({}), quoted;
select, error: "c";
compared, source: CASE WHEN "c" IS DISTINCT FROM NULL THEN '1' END;
compared, target: CASE WHEN "C" IS NOT NULL THEN '1' END;

-- a composite
C VARIANT, loaded by PARSE_JSON({}), quoted;
EXACT: NOT concat(v) ~ E'\\[-?[0-9]+:-?[0-9]+\\]=\\x7b' AND octet_length(x) <= 134217728 AND (x NOT LIKE E'%\\\\u%' OR
    NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 OR regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]')) AND (x !~
    E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' OR NOT EXISTS (SELECT FROM
    regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) AND NOT ((x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 OR
    regexp_replace(replace(x, E'\\\\', '__'), E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '',
    'g') ~ E'\\\\u[dD][89a-fA-F]')) AND x IS NOT JSON WITH UNIQUE KEYS);
select, null: (SELECT CASE WHEN EXACT THEN x END FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
select, error: (SELECT CASE WHEN NOT concat(v) ~ E'\\[-?[0-9]+:-?[0-9]+\\]=\\x7b' AND octet_length(x) <= 134217728 AND
    (x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 OR regexp_replace(replace(x,
    E'\\\\', '__'), E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~
    E'\\\\u[dD][89a-fA-F]')) AND (x !~ E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' OR NOT
    EXISTS (SELECT FROM regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"',
    '', 'g'), E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE
    WHEN length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) THEN x WHEN x IS NOT NULL THEN concat('borealis:loss:3:', CASE WHEN (concat(v) ~
    E'\\[-?[0-9]+:-?[0-9]+\\]=\\x7b') THEN 'bounds' WHEN octet_length(x) > 134217728 THEN 'size' WHEN
    strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 THEN 'nul' WHEN regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]' THEN
    'surrogate' ELSE 'digits' END)::int4::text END FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
C__PG_TEXT VARCHAR(134217728), text: (SELECT CASE WHEN EXACT THEN NULL WHEN v IS DISTINCT FROM NULL THEN concat(v) END
    FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, bounds: (SELECT (concat(v) ~ E'\\[-?[0-9]+:-?[0-9]+\\]=\\x7b') FROM (SELECT to_json("c")::text AS x, "c" AS v
    OFFSET 0) AS s);
lost, size: (SELECT octet_length(x) > 134217728 FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, nul: (SELECT strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 FROM (SELECT to_json("c")::text AS x, "c" AS v
    OFFSET 0) AS s);
lost, surrogate: (SELECT regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]' FROM (SELECT
    to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, digits: (SELECT (x ~ E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' AND EXISTS (SELECT
    FROM regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, duplicate: (SELECT ((x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 OR
    regexp_replace(replace(x, E'\\\\', '__'), E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '',
    'g') ~ E'\\\\u[dD][89a-fA-F]')) AND x IS NOT JSON WITH UNIQUE KEYS) FROM (SELECT to_json("c")::text AS x, "c" AS v
    OFFSET 0) AS s);
compared, source: CASE WHEN "c" IS DISTINCT FROM NULL THEN '1' END;
compared, target: CASE WHEN "C" IS NOT NULL THEN '1' END;

-- int4[]
C ARRAY, loaded by PARSE_JSON({}), quoted;
EXACT: (array_lower("c", 1) <> 1 OR (array_ndims("c") > 1 AND array_dims("c") !~ E'^(?:\\[1:[0-9]+\\])+$')) IS NOT
    TRUE AND NOT octet_length(to_json("c")::text) > 134217728;
select, null: CASE WHEN EXACT THEN to_json("c")::text END;
select, error: CASE WHEN (array_lower("c", 1) <> 1 OR (array_ndims("c") > 1 AND array_dims("c") !~
    E'^(?:\\[1:[0-9]+\\])+$')) IS NOT TRUE THEN to_json("c")::text WHEN "c" IS NOT NULL THEN
    concat('borealis:loss:3:', 'bounds')::int4::text END;
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, bounds: (array_lower("c", 1) <> 1 OR (array_ndims("c") > 1 AND array_dims("c") !~ E'^(?:\\[1:[0-9]+\\])+$'));
lost, size: octet_length(to_json("c")::text) > 134217728;
compared, source: CASE WHEN "c" IS NOT NULL THEN coalesce(array_length("c", 1), 0)::text END;
compared, target: TO_VARCHAR(ARRAY_SIZE("C"));

-- numeric[]
C ARRAY, loaded by PARSE_JSON({}), quoted;
EXACT: (array_lower(v, 1) <> 1 OR (array_ndims(v) > 1 AND array_dims(v) !~ E'^(?:\\[1:[0-9]+\\])+$')) IS NOT TRUE AND
    octet_length(x) <= 134217728 AND (octet_length(x) < 39 OR x !~ '[0-9.]{39}' OR NOT EXISTS (SELECT FROM
    regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END));
select, null: (SELECT CASE WHEN EXACT THEN x END FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
select, error: (SELECT CASE WHEN (array_lower(v, 1) <> 1 OR (array_ndims(v) > 1 AND array_dims(v) !~
    E'^(?:\\[1:[0-9]+\\])+$')) IS NOT TRUE AND octet_length(x) <= 134217728 AND (octet_length(x) < 39 OR x !~
    '[0-9.]{39}' OR NOT EXISTS (SELECT FROM regexp_matches(regexp_replace(replace(x, E'\\\\', '__'),
    E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'), E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL
    (SELECT m[1] AS t) AS n WHERE CASE WHEN length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR
    scale(t::numeric) > 37 OR length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false
    WHEN t::numeric BETWEEN 5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric
    ELSE true END ELSE false END)) THEN x WHEN x IS NOT NULL THEN concat('borealis:loss:3:', CASE WHEN (array_lower(v,
    1) <> 1 OR (array_ndims(v) > 1 AND array_dims(v) !~ E'^(?:\\[1:[0-9]+\\])+$')) THEN 'bounds' WHEN octet_length(x)
    > 134217728 THEN 'size' ELSE 'digits' END)::int4::text END FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET
    0) AS s);
select, watched: CASE WHEN (array_lower("c", 1) <> 1 OR (array_ndims("c") > 1 AND array_dims("c") !~
    E'^(?:\\[1:[0-9]+\\])+$')) IS NOT TRUE THEN to_json("c")::text WHEN "c" IS NOT NULL THEN
    concat('borealis:loss:3:', 'bounds')::int4::text END;
C__PG_TEXT VARCHAR(134217728), text: (SELECT CASE WHEN EXACT THEN NULL WHEN v IS DISTINCT FROM NULL THEN concat(v) END
    FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, bounds: (SELECT (array_lower(v, 1) <> 1 OR (array_ndims(v) > 1 AND array_dims(v) !~ E'^(?:\\[1:[0-9]+\\])+$'))
    FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, size: (SELECT octet_length(x) > 134217728 FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, digits: (SELECT (x ~ '[0-9.]{39}' AND EXISTS (SELECT FROM regexp_matches(regexp_replace(replace(x, E'\\\\',
    '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'), E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m),
    LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~
    '[eE]' OR scale(t::numeric) > 37 OR length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0
    THEN false WHEN t::numeric BETWEEN 5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <>
    t::numeric ELSE true END ELSE false END)) FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
compared, source: CASE WHEN "c" IS NOT NULL THEN coalesce(array_length("c", 1), 0)::text END;
compared, target: TO_VARCHAR(ARRAY_SIZE("C"));

-- an array of composites
C ARRAY, loaded by PARSE_JSON({}), quoted;
EXACT: NOT concat(v) ~ E'\\[-?[0-9]+:-?[0-9]+\\]=\\x7b' AND octet_length(x) <= 134217728 AND (x NOT LIKE E'%\\\\u%' OR
    NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 OR regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]')) AND (x !~
    E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' OR NOT EXISTS (SELECT FROM
    regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) AND NOT ((x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 OR
    regexp_replace(replace(x, E'\\\\', '__'), E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '',
    'g') ~ E'\\\\u[dD][89a-fA-F]')) AND x IS NOT JSON WITH UNIQUE KEYS);
select, null: (SELECT CASE WHEN EXACT THEN x END FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
select, error: (SELECT CASE WHEN NOT concat(v) ~ E'\\[-?[0-9]+:-?[0-9]+\\]=\\x7b' AND octet_length(x) <= 134217728 AND
    (x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 OR regexp_replace(replace(x,
    E'\\\\', '__'), E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~
    E'\\\\u[dD][89a-fA-F]')) AND (x !~ E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' OR NOT
    EXISTS (SELECT FROM regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"',
    '', 'g'), E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE
    WHEN length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) THEN x WHEN x IS NOT NULL THEN concat('borealis:loss:3:', CASE WHEN (concat(v) ~
    E'\\[-?[0-9]+:-?[0-9]+\\]=\\x7b') THEN 'bounds' WHEN octet_length(x) > 134217728 THEN 'size' WHEN
    strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 THEN 'nul' WHEN regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]' THEN
    'surrogate' ELSE 'digits' END)::int4::text END FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
C__PG_TEXT VARCHAR(134217728), text: (SELECT CASE WHEN EXACT THEN NULL WHEN v IS DISTINCT FROM NULL THEN concat(v) END
    FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, bounds: (SELECT (concat(v) ~ E'\\[-?[0-9]+:-?[0-9]+\\]=\\x7b') FROM (SELECT to_json("c")::text AS x, "c" AS v
    OFFSET 0) AS s);
lost, size: (SELECT octet_length(x) > 134217728 FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, nul: (SELECT strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 FROM (SELECT to_json("c")::text AS x, "c" AS v
    OFFSET 0) AS s);
lost, surrogate: (SELECT regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]' FROM (SELECT
    to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, digits: (SELECT (x ~ E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' AND EXISTS (SELECT
    FROM regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) FROM (SELECT to_json("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, duplicate: (SELECT ((x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 OR
    regexp_replace(replace(x, E'\\\\', '__'), E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '',
    'g') ~ E'\\\\u[dD][89a-fA-F]')) AND x IS NOT JSON WITH UNIQUE KEYS) FROM (SELECT to_json("c")::text AS x, "c" AS v
    OFFSET 0) AS s);
compared, source: CASE WHEN "c" IS NOT NULL THEN coalesce(array_length("c", 1), 0)::text END;
compared, target: TO_VARCHAR(ARRAY_SIZE("C"));

-- json, before PostgreSQL 16
C VARIANT, loaded by PARSE_JSON({}), quoted;
EXACT: octet_length(x) <= 134217728 AND (x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\', '__'), E'\\u0000') >
    0 OR regexp_replace(replace(x, E'\\\\', '__'), E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}',
    '', 'g') ~ E'\\\\u[dD][89a-fA-F]')) AND (x !~
    E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' OR NOT EXISTS (SELECT FROM
    regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) AND NOT CASE WHEN octet_length(x) <= 134217728 AND (x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x, E'\\\\',
    '__'), E'\\u0000') > 0 OR regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]')) AND NOT (x
    ~ E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' AND EXISTS (SELECT FROM
    regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) THEN (length(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g')) -
    length(replace(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'), ':', ''))) >
    (length(regexp_replace(replace(x::jsonb::text, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g')) -
    length(replace(regexp_replace(replace(x::jsonb::text, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    ':', ''))) ELSE false END;
select, null: (SELECT CASE WHEN EXACT THEN x END FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
select, error: (SELECT CASE WHEN octet_length(x) <= 134217728 AND (x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x,
    E'\\\\', '__'), E'\\u0000') > 0 OR regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]')) AND (x !~
    E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' OR NOT EXISTS (SELECT FROM
    regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) THEN x WHEN x IS NOT NULL THEN concat('borealis:loss:3:', CASE WHEN octet_length(x) > 134217728 THEN 'size'
    WHEN strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 THEN 'nul' WHEN regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]' THEN
    'surrogate' ELSE 'digits' END)::int4::text END FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
C__PG_TEXT VARCHAR(134217728), text: (SELECT CASE WHEN EXACT THEN NULL WHEN v IS DISTINCT FROM NULL THEN concat(v) END
    FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, size: (SELECT octet_length(x) > 134217728 FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, nul: (SELECT strpos(replace(x, E'\\\\', '__'), E'\\u0000') > 0 FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0)
    AS s);
lost, surrogate: (SELECT regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]' FROM (SELECT
    ("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, digits: (SELECT (x ~ E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' AND EXISTS (SELECT
    FROM regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
lost, duplicate: (SELECT CASE WHEN octet_length(x) <= 134217728 AND (x NOT LIKE E'%\\\\u%' OR NOT (strpos(replace(x,
    E'\\\\', '__'), E'\\u0000') > 0 OR regexp_replace(replace(x, E'\\\\', '__'),
    E'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~ E'\\\\u[dD][89a-fA-F]')) AND NOT (x
    ~ E'[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\\s*(?:[],}]|$)' AND EXISTS (SELECT FROM
    regexp_matches(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    E'[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS m(m), LATERAL (SELECT m[1] AS t) AS n WHERE CASE WHEN
    length(t) > 400 OR t ~ '[eE][-+]?0*[0-9]{4}' THEN true WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR
    length(ltrim(replace(t, '.', ''), '0')) > 38 THEN CASE WHEN t::numeric = 0 THEN false WHEN t::numeric BETWEEN
    5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric ELSE true END ELSE false
    END)) THEN (length(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g')) -
    length(replace(regexp_replace(replace(x, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'), ':', ''))) >
    (length(regexp_replace(replace(x::jsonb::text, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g')) -
    length(replace(regexp_replace(replace(x::jsonb::text, E'\\\\', '__'), E'"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', '', 'g'),
    ':', ''))) ELSE false END FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s);
compared, source: CASE json_typeof("c") WHEN 'array' THEN 'array ' || json_array_length("c") ELSE json_typeof("c") END;
compared, target: CASE TYPEOF("C") WHEN 'ARRAY' THEN 'array ' || TO_VARCHAR(ARRAY_SIZE("C")) WHEN 'OBJECT' THEN
    'object' WHEN 'VARCHAR' THEN 'string' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL_VALUE' THEN 'null' ELSE CASE WHEN
    "C" IS NOT NULL THEN 'number' END END;

-- int8 as NUMBER(5,0)
C NUMBER(5,0), loaded by {}, bare;
EXACT: NOT ((("c")::numeric < 'Infinity'::numeric AND ("c")::numeric > '-Infinity'::numeric) AND abs(("c")::numeric)
    >= 1e5);
select, null: CASE WHEN EXACT THEN "c" END;
select, error: "c";
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, range: ((("c")::numeric < 'Infinity'::numeric AND ("c")::numeric > '-Infinity'::numeric) AND abs(("c")::numeric)
    >= 1e5);
compared, source: round((CASE WHEN EXACT THEN "c" END)::numeric, 0)::text;
compared, target: TO_VARCHAR("C"::NUMBER(38,0));

-- money as NUMBER(10,1)
C NUMBER(10,1), loaded by {}, bare;
EXACT: min_scale(("c")::numeric) <= 1 AND NOT ((("c")::numeric < 'Infinity'::numeric AND ("c")::numeric >
    '-Infinity'::numeric) AND abs(("c")::numeric) >= 1e9);
select, null: CASE WHEN EXACT THEN ("c")::numeric END;
select, error: CASE WHEN min_scale(("c")::numeric) <= 1 THEN ("c")::numeric WHEN "c" IS NOT NULL THEN
    concat('borealis:loss:3:', CASE WHEN NOT (("c")::numeric < 'Infinity'::numeric AND ("c")::numeric >
    '-Infinity'::numeric) THEN 'nan' ELSE 'digits' END)::numeric END;
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, nan: NOT (("c")::numeric < 'Infinity'::numeric AND ("c")::numeric > '-Infinity'::numeric);
lost, digits: min_scale(("c")::numeric) > 1;
lost, range: ((("c")::numeric < 'Infinity'::numeric AND ("c")::numeric > '-Infinity'::numeric) AND abs(("c")::numeric)
    >= 1e9);
compared, source: round((CASE WHEN EXACT THEN ("c")::numeric END)::numeric, 1)::text;
compared, target: TO_VARCHAR("C"::NUMBER(38,1));

-- numeric(12,2) as FLOAT
C FLOAT, loaded by {}, quoted;
select, error: "c";

-- text as VARCHAR(100)
C VARCHAR(100), loaded by {}, quoted;
EXACT: NOT length(concat("c")) > 100;
select, null: CASE WHEN EXACT THEN "c" END;
select, error: "c";
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, size: length(concat("c")) > 100;
compared, source: CASE WHEN CASE WHEN EXACT THEN "c" END IS DISTINCT FROM NULL THEN md5(convert_to(concat(CASE WHEN
    EXACT THEN "c" END), 'UTF8')) END;
compared, target: MD5("C");

-- timestamp as TIMESTAMP_TZ(9)
C TIMESTAMP_TZ(9), loaded by {}, bare;
EXACT: ("c" >= '0001-01-01 00:00:00'::timestamp AND "c" < '10000-01-01 00:00:00'::timestamp);
select, null: CASE WHEN EXACT THEN "c" END;
select, error: "c";
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, infinity: NOT isfinite("c");
lost, year: (isfinite("c") AND NOT ("c" >= '0001-01-01 00:00:00'::timestamp AND "c" < '10000-01-01
    00:00:00'::timestamp));
compared, source: (extract(epoch FROM CASE WHEN EXACT THEN "c" END) * 1000000)::int8::text;
compared, target: TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, "C"));

-- int4[] as VARIANT
C VARIANT, loaded by PARSE_JSON({}), quoted;
EXACT: (array_lower("c", 1) <> 1 OR (array_ndims("c") > 1 AND array_dims("c") !~ E'^(?:\\[1:[0-9]+\\])+$')) IS NOT
    TRUE AND NOT octet_length(to_json("c")::text) > 134217728;
select, null: CASE WHEN EXACT THEN to_json("c")::text END;
select, error: CASE WHEN (array_lower("c", 1) <> 1 OR (array_ndims("c") > 1 AND array_dims("c") !~
    E'^(?:\\[1:[0-9]+\\])+$')) IS NOT TRUE THEN to_json("c")::text WHEN "c" IS NOT NULL THEN
    concat('borealis:loss:3:', 'bounds')::int4::text END;
C__PG_TEXT VARCHAR(134217728), text: CASE WHEN EXACT THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END;
lost, bounds: (array_lower("c", 1) <> 1 OR (array_ndims("c") > 1 AND array_dims("c") !~ E'^(?:\\[1:[0-9]+\\])+$'));
lost, size: octet_length(to_json("c")::text) > 134217728;
compared, source: CASE WHEN "c" IS NOT NULL THEN coalesce(array_length("c", 1), 0)::text END;
compared, target: TO_VARCHAR(ARRAY_SIZE("C"));

-- json as VARCHAR
C VARCHAR(134217728), loaded by {}, quoted;
EXACT: NOT octet_length(concat("c")) > 134217728;
select, null: CASE WHEN EXACT THEN "c" END;
select, error: "c";
lost, size: octet_length(concat("c")) > 134217728;
compared, source: CASE WHEN CASE WHEN EXACT THEN "c" END IS DISTINCT FROM NULL THEN md5(convert_to(concat(CASE WHEN
    EXACT THEN "c" END), 'UTF8')) END;
compared, target: MD5("C");
