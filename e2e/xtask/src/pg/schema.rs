//! The schema as text: what a migrated database holds, in one fixed order, equal on every supported version of Postgres.
//! Read from the catalogues and not with `pg_dump`, whose output changes with its version.

use eyre::Result;

use super::Connection;

/// First lines of the golden file.
const HEADER: &str = "\
-- What the migrations make of an empty database. Written by `cargo xtask sqlx`; do not edit.
-- Partitions are left out, except the default one: they come and go with time.
";

/// Ours: not the system's, not an extension's, and not the migration runner's own table.
const OURS: &str = "\
n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%' \
AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.objid = o.oid AND e.deptype = 'e')";

/// Tables that are listed in full, given `o` for `pg_class`.
const WHOLE: &str = "NOT o.relispartition AND o.relname <> '_sqlx_migrations'";

/// The schema of the connected database.
///
/// # Errors
/// When the server refuses a query.
pub(crate) fn text(connection: &mut Connection) -> Result<String> {
    // With an empty path, every name that the server prints carries its schema.
    connection.query("SET search_path = ''")?;
    let mut text = HEADER.to_owned();
    for part in parts() {
        for row in connection.query(&part)? {
            if let Some(Some(line)) = row.into_iter().next() {
                text.push('\n');
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// One query per kind of object; each gives one column of text in a fixed order.
fn parts() -> Vec<String> {
    let mut parts = vec![
        "SELECT format('CREATE EXTENSION %I;', extname) FROM pg_catalog.pg_extension \
         WHERE extname <> 'plpgsql' ORDER BY extname COLLATE \"C\""
            .to_owned(),
        format!(
            "SELECT format('CREATE SCHEMA %I;', n.nspname) FROM pg_catalog.pg_namespace n, \
             LATERAL (SELECT n.oid) o WHERE {OURS} AND n.nspname <> 'public' ORDER BY n.nspname COLLATE \"C\""
        ),
    ];
    parts.extend(types());
    parts.push(format!(
        "SELECT format('CREATE SEQUENCE %s;', o.oid::regclass) FROM pg_catalog.pg_class o \
         JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace WHERE o.relkind = 'S' AND {OURS} \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = o.oid AND d.deptype IN ('a', 'i')) \
         ORDER BY o.oid::regclass::text COLLATE \"C\""
    ));
    parts.push(format!(
        "SELECT pg_catalog.pg_get_functiondef(o.oid) || ';' FROM pg_catalog.pg_proc o \
         JOIN pg_catalog.pg_namespace n ON n.oid = o.pronamespace WHERE o.prokind IN ('f', 'p') AND {OURS} \
         ORDER BY o.oid::regprocedure::text COLLATE \"C\""
    ));
    parts.push(tables());
    parts.push(format!(
        "SELECT format('CREATE TABLE %s PARTITION OF %s DEFAULT;', o.oid::regclass, i.inhparent::regclass) \
         FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace \
         JOIN pg_catalog.pg_inherits i ON i.inhrelid = o.oid \
         WHERE o.relispartition AND pg_catalog.pg_get_expr(o.relpartbound, o.oid) = 'DEFAULT' AND {OURS} \
         ORDER BY o.oid::regclass::text COLLATE \"C\""
    ));
    parts.extend(on_tables());
    // Servers print the query of a view differently from version to version; its columns they do not.
    parts.push(format!(
        "SELECT format('CREATE VIEW %s (%s);', o.oid::regclass, (SELECT string_agg(format('%I %s', a.attname, \
         pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) \
         FROM pg_catalog.pg_attribute a WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped)) \
         FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace \
         WHERE o.relkind IN ('v', 'm') AND {OURS} ORDER BY o.oid::regclass::text COLLATE \"C\""
    ));
    parts.extend(comments());
    parts
}

/// Enumerations and domains.
fn types() -> Vec<String> {
    vec![
        format!(
            "SELECT format('CREATE TYPE %s AS ENUM (%s);', o.oid::regtype, \
             (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) \
              FROM pg_catalog.pg_enum e WHERE e.enumtypid = o.oid)) \
             FROM pg_catalog.pg_type o JOIN pg_catalog.pg_namespace n ON n.oid = o.typnamespace \
             WHERE o.typtype = 'e' AND {OURS} ORDER BY o.oid::regtype::text COLLATE \"C\""
        ),
        format!(
            "SELECT format('CREATE DOMAIN %s AS %s%s%s;', o.oid::regtype, \
             pg_catalog.format_type(o.typbasetype, o.typtypmod), CASE WHEN o.typnotnull THEN ' NOT NULL' ELSE '' END, \
             (SELECT coalesce(string_agg(' ' || pg_catalog.pg_get_constraintdef(c.oid), '' \
               ORDER BY c.conname COLLATE \"C\"), '') \
              FROM pg_catalog.pg_constraint c WHERE c.contypid = o.oid AND c.contype = 'c')) \
             FROM pg_catalog.pg_type o JOIN pg_catalog.pg_namespace n ON n.oid = o.typnamespace \
             WHERE o.typtype = 'd' AND {OURS} ORDER BY o.oid::regtype::text COLLATE \"C\""
        ),
    ]
}

/// Tables with their columns, in the order in which the columns were added.
fn tables() -> String {
    format!(
        "SELECT format(E'CREATE %sTABLE %s (\\n%s\\n)%s;', \
         CASE o.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, o.oid::regclass, \
         (SELECT string_agg(format('    %I %s%s%s%s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
            CASE WHEN a.attidentity = 'a' THEN ' GENERATED ALWAYS AS IDENTITY' \
                 WHEN a.attidentity = 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY' ELSE '' END, \
            CASE WHEN a.attgenerated = 's' \
                   THEN ' GENERATED ALWAYS AS (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') STORED' \
                 WHEN d.adbin IS NOT NULL THEN ' DEFAULT ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
                 ELSE '' END, \
            CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END), E',\\n' ORDER BY a.attnum) \
          FROM pg_catalog.pg_attribute a \
          LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
          WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped), \
         CASE WHEN o.relkind = 'p' THEN ' PARTITION BY ' || pg_catalog.pg_get_partkeydef(o.oid) ELSE '' END \
           || coalesce(' WITH (' || array_to_string(o.reloptions, ', ') || ')', '')) \
         FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace \
         WHERE o.relkind IN ('r', 'p') AND {WHOLE} AND {OURS} ORDER BY o.oid::regclass::text COLLATE \"C\""
    )
}

/// Constraints, indexes that no constraint made, and triggers.
fn on_tables() -> Vec<String> {
    let from = "pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace";
    vec![
        // NOT NULL stands with the column; newer servers also list it here.
        format!(
            "SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s;', o.oid::regclass, c.conname, \
             pg_catalog.pg_get_constraintdef(c.oid)) FROM {from} \
             JOIN pg_catalog.pg_constraint c ON c.conrelid = o.oid \
             WHERE c.contype NOT IN ('n', 't') AND c.conparentid = 0 AND {WHOLE} AND {OURS} \
             ORDER BY o.oid::regclass::text COLLATE \"C\", \
             array_position(ARRAY['p', 'u', 'x', 'c', 'f'], c.contype::text), c.conname COLLATE \"C\""
        ),
        format!(
            "SELECT replace(pg_catalog.pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') || ';' FROM {from} \
             JOIN pg_catalog.pg_index i ON i.indrelid = o.oid \
             WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = i.indexrelid) \
             AND {WHOLE} AND {OURS} \
             ORDER BY o.oid::regclass::text COLLATE \"C\", i.indexrelid::regclass::text COLLATE \"C\""
        ),
        format!(
            "SELECT pg_catalog.pg_get_triggerdef(t.oid) || ';' FROM {from} \
             JOIN pg_catalog.pg_trigger t ON t.tgrelid = o.oid WHERE NOT t.tgisinternal AND {WHOLE} AND {OURS} \
             ORDER BY o.oid::regclass::text COLLATE \"C\", t.tgname COLLATE \"C\""
        ),
    ]
}

/// Comments on tables and views, then on their columns.
fn comments() -> Vec<String> {
    let from = "pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace";
    vec![
        format!(
            "SELECT format('COMMENT ON %s %s IS %L;', \
             CASE o.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END, \
             o.oid::regclass, pg_catalog.obj_description(o.oid, 'pg_class')) FROM {from} \
             WHERE o.relkind IN ('r', 'p', 'v', 'm') AND {WHOLE} AND {OURS} \
             AND pg_catalog.obj_description(o.oid, 'pg_class') IS NOT NULL \
             ORDER BY o.oid::regclass::text COLLATE \"C\""
        ),
        format!(
            "SELECT string_agg(format('COMMENT ON COLUMN %s.%I IS %L;', o.oid::regclass, a.attname, \
             pg_catalog.col_description(o.oid, a.attnum)), E'\\n' ORDER BY a.attnum) FROM {from} \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE o.relkind IN ('r', 'p', 'v', 'm') AND {WHOLE} AND {OURS} \
             AND pg_catalog.col_description(o.oid, a.attnum) IS NOT NULL \
             GROUP BY o.oid ORDER BY o.oid::regclass::text COLLATE \"C\""
        ),
    ]
}

#[cfg(test)]
mod tests {
    use crate::pg::Cluster;
    use crate::tools::postgres::Postgres;

    const MIGRATION: &str = "
        CREATE TYPE mood AS ENUM ('calm', 'alarmed');
        CREATE TABLE b (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
        CREATE TABLE a (
            b_id bigint NOT NULL REFERENCES b (id),
            at timestamptz NOT NULL,
            mood mood,
            note text CHECK (note <> '')
        ) PARTITION BY RANGE (at);
        CREATE TABLE a_2022_08 PARTITION OF a FOR VALUES FROM ('2022-08-01') TO ('2022-09-01');
        CREATE TABLE a_rest PARTITION OF a DEFAULT;
        CREATE INDEX a_by_mood ON a (mood) WHERE mood = 'alarmed';
        CREATE VIEW alarmed AS SELECT b_id, note FROM a WHERE mood = 'alarmed';
        COMMENT ON TABLE a IS 'What''s seen';
        COMMENT ON COLUMN a.note IS 'free text';
    ";

    fn server() -> Cluster {
        let programs = Postgres::present(crate::user::is_root().unwrap()).unwrap();
        Cluster::start(&programs.expect("`cargo xtask test` names a server in PORTCULLIS_POSTGRES_BIN"))
            .unwrap()
    }

    #[test]
    fn schema_holds_every_kind_of_object_and_does_not_depend_on_dated_partitions() {
        let server = server();
        let mut connection = server.connect("postgres").unwrap();
        connection.query(MIGRATION).unwrap();
        let text = super::text(&mut connection).unwrap();
        for line in [
            "CREATE TYPE public.mood AS ENUM ('calm', 'alarmed');",
            "    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,",
            "    at timestamp with time zone DEFAULT now() NOT NULL",
            ") PARTITION BY RANGE (at);",
            "CREATE TABLE public.a_rest PARTITION OF public.a DEFAULT;",
            "ALTER TABLE public.b ADD CONSTRAINT b_pkey PRIMARY KEY (id);",
            "ALTER TABLE public.a ADD CONSTRAINT a_b_id_fkey FOREIGN KEY (b_id) REFERENCES public.b(id);",
            "CREATE VIEW public.alarmed (b_id bigint, note text);",
            "COMMENT ON TABLE public.a IS 'What''s seen';",
            "COMMENT ON COLUMN public.a.note IS 'free text';",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        assert!(text.contains("CREATE INDEX a_by_mood ON public.a USING btree (mood) WHERE"), "{text}");
        assert!(!text.contains("a_2022_08"), "{text}");
        let again = super::text(&mut connection).unwrap();
        assert_eq!(text, again);
    }

    #[test]
    fn a_wrong_statement_is_an_error_that_names_its_line_and_leaves_nothing_behind() {
        let server = server();
        let mut connection = server.connect("postgres").unwrap();
        let error =
            connection.query("CREATE TABLE a (id int);\n\nCREATE TABLE b (id inf);").unwrap_err().to_string();
        assert!(error.contains("inf") && error.contains("line 3"), "{error}");
        assert!(!super::text(&mut connection).unwrap().contains("CREATE TABLE"));
    }
}
