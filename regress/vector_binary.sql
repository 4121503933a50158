-- Binary forms of vector, halfvec and sparsevec: what is sent, COPY there and back, hostile input.

SELECT vector_send('[1,-2,0.5]'), halfvec_send('[1,-2,65504]');
SELECT sparsevec_send('{1:1,3:-2}/5'), sparsevec_send('{}/2');

-- Through a file and back.
\getenv directory PG_ABS_BUILDDIR
\set file :directory '/results/vector_binary.data'
CREATE TABLE source (v vector, h halfvec(3), s sparsevec, a vector[]);
INSERT INTO source VALUES
  ('[1,2,3]', '[1,2,3]', '{1:1,3:2}/5', '{"[1]","[2,3]"}'),
  ('[3.4028235e38,-1e-45,-0]', '[65504,-6e-8,-0]', '{1000000000:1e-45}/1000000000', '{}'),
  (NULL, NULL, '{}/1', '{NULL}');
INSERT INTO source
SELECT array_agg(random() - 0.5)::vector, NULL,
  array_agg(CASE WHEN random() < 0.1 THEN random() ELSE 0 END)::sparsevec, NULL
FROM generate_series(1, 16000);
COPY source TO :'file' (FORMAT binary);
CREATE TABLE target (LIKE source);
COPY target FROM :'file' (FORMAT binary);
SELECT count(*) FROM target;
SELECT count(*) AS different FROM (SELECT s::text FROM source s EXCEPT SELECT t::text FROM target t) d;

-- Hands bytes to the receive function of a type; gives the value, or what the client would be told.
CREATE FUNCTION receive(type text, value bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  header CONSTANT bytea = '\x5047434f50590aff0d0a00 00000000 00000000 0001';
  stream CONSTANT bytea = header || int4send(length(value)) || value || '\xffff';
  octal text;
  result text;
BEGIN
  SELECT string_agg(format('\%s%s%s', b / 64, b / 8 % 8, b % 8), '' ORDER BY i) INTO octal
  FROM (SELECT i, get_byte(stream, i) AS b FROM generate_series(0, length(stream) - 1) i) s;
  EXECUTE format('CREATE TEMPORARY TABLE received (v %s)', type);
  EXECUTE format('COPY received FROM PROGRAM %L (FORMAT binary)', format('printf ''%s''', octal));
  SELECT v::text INTO result FROM received;
  DROP TABLE received;
  RETURN result;
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate || ' ' || sqlerrm;
END
$$;
-- Dense: dimension, reserved field, elements.
SELECT type, bytes, receive(type, bytes::bytea) AS outcome
FROM (VALUES (1, 'vector', '\x0002 0000 3f800000 c0000000'),
             (2, 'vector(2)', '\x0002 0000 3f800000 c0000000'),
             (3, 'vector(3)', '\x0002 0000 3f800000 c0000000'), (4, 'vector', '\x0000 0000'),
             (5, 'vector', '\xffff 0000'), (6, 'vector', '\x3e81 0000'),
             (7, 'vector', '\x0001 0001 3f800000'), (8, 'vector', '\x0001 ffff 3f800000'),
             (9, 'vector', '\x0001 0000 7fc00000'), (10, 'vector', '\x0001 0000 7f800000'),
             (11, 'vector', '\x0002 0000 3f800000 ff800000'),
             (12, 'vector', '\x0001 0000 80000000'), (13, 'vector', '\x0001 0000 00000001'),
             (14, 'vector', '\x0002 0000 3f800000'), (15, 'vector', '\x0001 0000'),
             (16, 'vector', '\x0001'), (17, 'vector', '\x'),
             (18, 'vector', '\x0001 0000 3f800000 00'),
             (19, 'halfvec', '\x0002 0000 3c00 c000'),
             (20, 'halfvec(3)', '\x0002 0000 3c00 c000'), (21, 'halfvec', '\x0000 0000'),
             (22, 'halfvec', '\x3e81 0000'), (23, 'halfvec', '\x0001 0001 3c00'),
             (24, 'halfvec', '\x0001 0000 7e00'), (25, 'halfvec', '\x0001 0000 fc01'),
             (26, 'halfvec', '\x0001 0000 7c00'), (27, 'halfvec', '\x0001 0000 fc00'),
             (28, 'halfvec', '\x0001 0000 7bff'), (29, 'halfvec', '\x0001 0000 0001'),
             (30, 'halfvec', '\x0002 0000 3c00'), (31, 'halfvec', '\x0001 0000 3c00 00')) v(n, type, bytes)
ORDER BY n;

-- Sparse: dimension, elements, reserved field, indices from 0, values.
SELECT type, bytes, receive(type, bytes::bytea) AS outcome
FROM (VALUES (1, 'sparsevec', '\x00000005 00000002 00000000 00000000 00000004 3f800000 c0000000'),
             (2, 'sparsevec', '\x00000005 00000000 00000000'),
             (3, 'sparsevec(4)', '\x00000005 00000000 00000000'),
             (4, 'sparsevec', '\x00000000 00000000 00000000'),
             (5, 'sparsevec', '\xffffffff 00000000 00000000'),
             (6, 'sparsevec', '\x3b9aca01 00000000 00000000'),
             (7, 'sparsevec', '\x00000005 ffffffff 00000000'),
             (8, 'sparsevec', '\x00000005 00000006 00000000'),
             (9, 'sparsevec', '\x3b9aca00 00003e81 00000000'),
             (10, 'sparsevec', '\x00000005 7fffffff 00000000'),
             (11, 'sparsevec', '\x00000005 00000000 00000001'),
             (12, 'sparsevec', '\x00000005 00000001 00000000 00000005 3f800000'),
             (13, 'sparsevec', '\x00000005 00000001 00000000 ffffffff 3f800000'),
             (14, 'sparsevec', '\x00000005 00000002 00000000 00000001 00000001 3f800000 3f800000'),
             (15, 'sparsevec', '\x00000005 00000002 00000000 00000002 00000001 3f800000 3f800000'),
             (16, 'sparsevec', '\x00000005 00000001 00000000 00000000 00000000'),
             (17, 'sparsevec', '\x00000005 00000001 00000000 00000000 80000000'),
             (18, 'sparsevec', '\x00000005 00000001 00000000 00000000 7fc00000'),
             (19, 'sparsevec', '\x00000005 00000001 00000000 00000000 7f800000'),
             (20, 'sparsevec', '\x00000005 00000001 00000000 00000000'),
             (21, 'sparsevec', '\x00000005 00000001 00000000'),
             (22, 'sparsevec', '\x00000005'),
             (23, 'sparsevec', '\x00000005 00000000 00000000 00')) v(n, type, bytes)
ORDER BY n;

DROP TABLE source, target;
DROP FUNCTION receive;
