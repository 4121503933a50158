\echo Use "CREATE EXTENSION heliosdb" to load this file. \quit

-- Types, operators and the access method carry pgvector's names: both cannot live in one database.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'vector') THEN
    RAISE EXCEPTION 'extension "heliosdb" cannot be created in a database that has extension "vector"'
      USING ERRCODE = 'duplicate_object',
            DETAIL = 'Both define the type vector and the access method hnsw.',
            HINT = 'See "Coming from pgvector" (docs/coming-from-pgvector.md): move the data to another database, or dump, drop extension "vector" and restore.';
  END IF;
END
$$;

-- What the extension keeps lies in ordinary tables, also where tables of users are hybrid.
SET LOCAL default_table_access_method = heap;

CREATE SCHEMA heliosdb;
COMMENT ON SCHEMA heliosdb IS 'administration of the heliosdb extension';
GRANT USAGE ON SCHEMA heliosdb TO PUBLIC;
