-- Statements beyond the stock grammar.

CREATE FUNCTION heliosdb.syntax_status(OUT installed boolean, OUT in_use boolean, OUT detail text)
  AS 'MODULE_PATHNAME', 'helios_syntax_status' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.syntax_status() IS 'whether statements beyond the stock grammar are accepted, and why not';

CREATE FUNCTION heliosdb.syntax_forms(OUT name text, OUT meaning text, OUT pattern text, OUT carrier text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'helios_syntax_forms' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.syntax_forms() IS 'forms of statements that are accepted beside Flux, and what the stock grammar gets for them';

CREATE FUNCTION heliosdb.flux_to_sql(query text) RETURNS text
  AS 'MODULE_PATHNAME', 'helios_flux_to_sql' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.flux_to_sql(text) IS 'standard SQL for a statement in Flux';

CREATE FUNCTION heliosdb.flux(query text) RETURNS SETOF record LANGUAGE plpgsql AS
  $$ BEGIN RETURN QUERY EXECUTE heliosdb.flux_to_sql(query); END $$;
COMMENT ON FUNCTION heliosdb.flux(text) IS 'rows of a query in Flux, also where the syntax itself is not available';
