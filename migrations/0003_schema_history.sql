-- Which program made which version of the schema: an older program that meets a newer schema can say what it needs.

CREATE TABLE schema_history (
    version bigint NOT NULL,
    program text   NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version, program)
);
COMMENT ON TABLE schema_history IS 'Which program brought the schema to which version. Written after each migration; never part of a backup.';
COMMENT ON COLUMN schema_history.version IS 'Newest migration that had been applied then.';
COMMENT ON COLUMN schema_history.program IS 'Version of portcullis that applied it.';
COMMENT ON COLUMN schema_history.at IS 'When.';
