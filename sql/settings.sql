-- What can be set.

CREATE FUNCTION heliosdb.list_settings(OUT name text, OUT bare_name text, OUT value text, OUT effective text, OUT unit text, OUT meaning text, OUT takes_effect text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'helios_list_settings' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION heliosdb.list_settings() IS 'settings of heliosdb that this session knows; see the view heliosdb.settings';

CREATE VIEW heliosdb.settings AS
  SELECT name, bare_name, value, effective, unit, meaning, takes_effect
  FROM heliosdb.list_settings() ORDER BY name COLLATE "C";
COMMENT ON VIEW heliosdb.settings IS 'settings of heliosdb: value, what it counts as, and where it takes effect';
COMMENT ON COLUMN heliosdb.settings.bare_name IS 'second name of the same setting, for SET and SHOW but not for configuration files';
COMMENT ON COLUMN heliosdb.settings.effective IS 'the value that is used, when other settings change it';
GRANT SELECT ON heliosdb.settings TO PUBLIC;
