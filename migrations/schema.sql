-- What the migrations make of an empty database. Written by `cargo xtask sqlx`; do not edit.
-- Partitions are left out, except the default one: they come and go with time.

CREATE OR REPLACE FUNCTION public.ensure_log_partition(moment_ms bigint)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
DECLARE
    month_start timestamp := date_trunc('month', to_timestamp(moment_ms / 1000) AT TIME ZONE 'UTC');
    from_ms bigint := (extract(epoch FROM month_start AT TIME ZONE 'UTC') * 1000)::bigint;
    to_ms bigint := (extract(epoch FROM (month_start + interval '1 month') AT TIME ZONE 'UTC') * 1000)::bigint;
    partition_name text := 'input_log_' || to_char(month_start, 'YYYY_MM');
BEGIN
    -- Two groups that start at the same moment both find it missing; only one may make it.
    PERFORM pg_advisory_xact_lock(hashtext('input_log partitions'));
    IF to_regclass(quote_ident(partition_name)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF input_log FOR VALUES FROM (%s) TO (%s)', partition_name, from_ms, to_ms);
    RETURN true;
END
$function$
;

CREATE OR REPLACE FUNCTION public.refuse_rewrite()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION '% on % is refused: the log is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$function$
;

CREATE TABLE public.actions (
    group_id text NOT NULL,
    replica text NOT NULL,
    action_id bytea NOT NULL,
    incident_id bytea NOT NULL,
    seq bigint NOT NULL,
    chain text NOT NULL,
    target bytea NOT NULL,
    scope bytea NOT NULL,
    level text NOT NULL,
    until_s bigint NOT NULL,
    until_height bigint NOT NULL,
    generation bigint NOT NULL,
    class text NOT NULL,
    playbook text NOT NULL,
    value_micro_usd bigint NOT NULL,
    reasons jsonb NOT NULL,
    record bytea NOT NULL,
    state text DEFAULT 'decided'::text NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    landed_height bigint,
    landed_hash bytea,
    decided_at_ms bigint NOT NULL,
    updated_at_ms bigint NOT NULL
);

CREATE TABLE public.attempts (
    chain text NOT NULL,
    hash bytea NOT NULL,
    group_id text NOT NULL,
    replica text NOT NULL,
    action_id bytea NOT NULL,
    bytes bytea NOT NULL,
    sender bytea NOT NULL,
    nonce bigint NOT NULL,
    bump integer NOT NULL,
    fee text NOT NULL,
    state text DEFAULT 'signed'::text NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    replies jsonb DEFAULT '[]'::jsonb NOT NULL,
    signed_at_ms bigint NOT NULL,
    sent_at_ms bigint
);

CREATE TABLE public.checks (
    group_id text NOT NULL,
    replica text NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    target text NOT NULL,
    kind text NOT NULL,
    ok boolean NOT NULL,
    failing jsonb NOT NULL,
    took_ms bigint NOT NULL,
    at_ms bigint NOT NULL
);

CREATE TABLE public.commands (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    group_id text NOT NULL,
    replica text NOT NULL,
    kind text NOT NULL,
    command jsonb NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    digest bytea,
    answer jsonb,
    answered_at timestamp with time zone
);

CREATE TABLE public.cursors (
    group_id text NOT NULL,
    replica text NOT NULL,
    chain text NOT NULL,
    height bigint NOT NULL,
    block_hash bytea NOT NULL,
    encoded bytea NOT NULL,
    at_ms bigint NOT NULL
);

CREATE TABLE public.decisions (
    group_id text NOT NULL,
    replica text NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    incident_id bytea NOT NULL,
    class text NOT NULL,
    playbook text NOT NULL,
    reasons jsonb NOT NULL,
    withheld jsonb NOT NULL,
    record bytea NOT NULL,
    engine_version integer NOT NULL,
    at_ms bigint NOT NULL
);

CREATE TABLE public.deliveries (
    notification bigint NOT NULL,
    webhook text NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    next_at timestamp with time zone DEFAULT now() NOT NULL,
    delivered_at timestamp with time zone,
    detail text DEFAULT ''::text NOT NULL
);

CREATE TABLE public.evidence (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    group_id text NOT NULL,
    replica text NOT NULL,
    incident_id bytea,
    claim_id bytea NOT NULL,
    claim jsonb NOT NULL,
    system text NOT NULL,
    bytes bytea NOT NULL,
    outcome text NOT NULL,
    verdict jsonb NOT NULL,
    assurance jsonb,
    took_ms bigint NOT NULL,
    at_ms bigint NOT NULL
);

CREATE TABLE public.false_alarms (
    group_id text NOT NULL,
    replica text NOT NULL,
    incident_id bytea NOT NULL,
    said_by text NOT NULL,
    reason text NOT NULL,
    at_ms bigint NOT NULL
);

CREATE TABLE public.gates (
    group_id text NOT NULL,
    replica text NOT NULL,
    target text NOT NULL,
    chain text NOT NULL,
    address bytea NOT NULL,
    scope bytea NOT NULL,
    mode text NOT NULL,
    level text,
    until_s bigint,
    until_height bigint,
    generation bigint,
    height bigint,
    proven boolean,
    at_ms bigint,
    standing_mode text,
    mode_until_ms bigint,
    mode_why text,
    mode_at_ms bigint
);

CREATE TABLE public.incidents (
    group_id text NOT NULL,
    replica text NOT NULL,
    incident_id bytea NOT NULL,
    state text NOT NULL,
    class text NOT NULL,
    value_micro_usd bigint NOT NULL,
    signals jsonb NOT NULL,
    opened_seq bigint NOT NULL,
    opened_at_ms bigint NOT NULL,
    updated_seq bigint NOT NULL,
    updated_at_ms bigint NOT NULL
);

CREATE TABLE public.input_log (
    group_id text NOT NULL,
    replica text NOT NULL,
    seq bigint NOT NULL,
    at_ms bigint NOT NULL,
    kind text NOT NULL,
    encoded bytea NOT NULL,
    head bytea NOT NULL,
    engine_version integer NOT NULL,
    effects bytea NOT NULL
) PARTITION BY RANGE (at_ms);

CREATE TABLE public.kill_switches (
    scope text NOT NULL,
    set_by text NOT NULL,
    reason text NOT NULL,
    set_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.leases (
    group_id text NOT NULL,
    replica text NOT NULL,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    held_until timestamp with time zone NOT NULL
);

CREATE TABLE public.log_forks (
    group_id text NOT NULL,
    replica text NOT NULL,
    holder text NOT NULL,
    seq bigint NOT NULL,
    at_ms bigint NOT NULL,
    encoded bytea NOT NULL,
    head bytea NOT NULL,
    effects bytea NOT NULL
);

CREATE TABLE public.logs (
    group_id text NOT NULL,
    replica text NOT NULL,
    next_seq bigint NOT NULL,
    head bytea NOT NULL,
    last_at_ms bigint NOT NULL,
    engine_version integer NOT NULL,
    views_seq bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.notices (
    group_id text NOT NULL,
    replica text NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    bridge text NOT NULL,
    cause text NOT NULL,
    class text NOT NULL,
    incident_id bytea,
    text text NOT NULL,
    at_ms bigint NOT NULL
);

CREATE TABLE public.notifications (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    key text NOT NULL,
    severity text NOT NULL,
    body text NOT NULL,
    at_ms bigint NOT NULL
);

CREATE TABLE public.observations (
    group_id text NOT NULL,
    replica text NOT NULL,
    seq bigint NOT NULL,
    event_id bytea NOT NULL,
    chain text NOT NULL,
    height bigint NOT NULL,
    block_hash bytea NOT NULL,
    tx_hash bytea NOT NULL,
    log_index bigint NOT NULL,
    time_s bigint NOT NULL,
    status text NOT NULL,
    kind text NOT NULL,
    view jsonb NOT NULL
);

CREATE TABLE public.schema_history (
    version bigint NOT NULL,
    program text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.timeline (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    group_id text NOT NULL,
    replica text NOT NULL,
    incident_id bytea,
    step text NOT NULL,
    chain text,
    action_id bytea,
    at_ms bigint NOT NULL,
    height bigint,
    detail text NOT NULL
);

CREATE TABLE public.webhooks (
    id text NOT NULL,
    "least" text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.input_log_default PARTITION OF public.input_log DEFAULT;

ALTER TABLE public.actions ADD CONSTRAINT actions_pkey PRIMARY KEY (group_id, replica, action_id);

ALTER TABLE public.actions ADD CONSTRAINT actions_action_id_check CHECK ((octet_length(action_id) = 32));

ALTER TABLE public.actions ADD CONSTRAINT actions_state_check CHECK ((state = ANY (ARRAY['decided'::text, 'sent'::text, 'delayed'::text, 'landed'::text, 'reverted'::text, 'reorged'::text, 'effective'::text, 'stopped'::text, 'expired'::text])));

ALTER TABLE public.attempts ADD CONSTRAINT attempts_pkey PRIMARY KEY (chain, hash);

ALTER TABLE public.attempts ADD CONSTRAINT attempts_hash_check CHECK ((octet_length(hash) = 32));

ALTER TABLE public.attempts ADD CONSTRAINT attempts_state_check CHECK ((state = ANY (ARRAY['signed'::text, 'sent'::text, 'included'::text, 'reverted'::text, 'replaced'::text])));

ALTER TABLE public.checks ADD CONSTRAINT checks_pkey PRIMARY KEY (group_id, replica, seq, ordinal);

ALTER TABLE public.checks ADD CONSTRAINT checks_kind_check CHECK ((kind = ANY (ARRAY['rehearsal'::text, 'canary'::text, 'gas'::text])));

ALTER TABLE public.commands ADD CONSTRAINT commands_pkey PRIMARY KEY (id);

ALTER TABLE public.commands ADD CONSTRAINT commands_digest_check CHECK ((octet_length(digest) = 32));

ALTER TABLE public.commands ADD CONSTRAINT commands_kind_check CHECK ((kind = ANY (ARRAY['contain'::text, 'false_alarm'::text, 'stop'::text, 'set_mode'::text, 'trust'::text, 'canary'::text])));

ALTER TABLE public.commands ADD CONSTRAINT commands_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'taken'::text, 'answered'::text, 'refused'::text, 'cancelled'::text, 'expired'::text])));

ALTER TABLE public.cursors ADD CONSTRAINT cursors_pkey PRIMARY KEY (group_id, replica, chain);

ALTER TABLE public.cursors ADD CONSTRAINT cursors_block_hash_check CHECK ((octet_length(block_hash) = 32));

ALTER TABLE public.cursors ADD CONSTRAINT cursors_height_check CHECK ((height >= 0));

ALTER TABLE public.decisions ADD CONSTRAINT decisions_pkey PRIMARY KEY (group_id, replica, seq, ordinal);

ALTER TABLE public.deliveries ADD CONSTRAINT deliveries_pkey PRIMARY KEY (notification, webhook);

ALTER TABLE public.evidence ADD CONSTRAINT evidence_pkey PRIMARY KEY (id);

ALTER TABLE public.evidence ADD CONSTRAINT evidence_outcome_check CHECK ((outcome = ANY (ARRAY['proven'::text, 'refuted'::text, 'undecided'::text])));

ALTER TABLE public.false_alarms ADD CONSTRAINT false_alarms_pkey PRIMARY KEY (group_id, replica, incident_id);

ALTER TABLE public.false_alarms ADD CONSTRAINT false_alarms_incident_id_check CHECK ((octet_length(incident_id) = 32));

ALTER TABLE public.gates ADD CONSTRAINT gates_pkey PRIMARY KEY (group_id, replica, target);

ALTER TABLE public.incidents ADD CONSTRAINT incidents_pkey PRIMARY KEY (group_id, replica, incident_id);

ALTER TABLE public.incidents ADD CONSTRAINT incidents_incident_id_check CHECK ((octet_length(incident_id) = 32));

ALTER TABLE public.incidents ADD CONSTRAINT incidents_state_check CHECK ((state = ANY (ARRAY['open'::text, 'retracted'::text])));

ALTER TABLE public.input_log ADD CONSTRAINT input_log_pkey PRIMARY KEY (group_id, replica, seq, at_ms);

ALTER TABLE public.input_log ADD CONSTRAINT input_log_head_check CHECK ((octet_length(head) = 32));

ALTER TABLE public.input_log ADD CONSTRAINT input_log_seq_check CHECK ((seq >= 0));

ALTER TABLE public.kill_switches ADD CONSTRAINT kill_switches_pkey PRIMARY KEY (scope);

ALTER TABLE public.kill_switches ADD CONSTRAINT kill_switches_scope_check CHECK (((scope = 'all'::text) OR (scope ~~ 'chain/%'::text) OR (scope ~~ 'playbook/%'::text)));

ALTER TABLE public.leases ADD CONSTRAINT leases_pkey PRIMARY KEY (group_id, replica);

ALTER TABLE public.log_forks ADD CONSTRAINT log_forks_pkey PRIMARY KEY (group_id, replica, holder, seq, head);

ALTER TABLE public.logs ADD CONSTRAINT logs_pkey PRIMARY KEY (group_id, replica);

ALTER TABLE public.logs ADD CONSTRAINT logs_check CHECK (((views_seq >= 0) AND (views_seq <= next_seq)));

ALTER TABLE public.logs ADD CONSTRAINT logs_head_check CHECK ((octet_length(head) = 32));

ALTER TABLE public.logs ADD CONSTRAINT logs_last_at_ms_check CHECK ((last_at_ms >= 0));

ALTER TABLE public.logs ADD CONSTRAINT logs_next_seq_check CHECK ((next_seq >= 0));

ALTER TABLE public.notices ADD CONSTRAINT notices_pkey PRIMARY KEY (group_id, replica, seq, ordinal);

ALTER TABLE public.notifications ADD CONSTRAINT notifications_pkey PRIMARY KEY (id);

ALTER TABLE public.notifications ADD CONSTRAINT notifications_key_key UNIQUE (key);

ALTER TABLE public.notifications ADD CONSTRAINT notifications_severity_check CHECK ((severity = ANY (ARRAY['notify'::text, 'page'::text])));

ALTER TABLE public.observations ADD CONSTRAINT observations_pkey PRIMARY KEY (group_id, replica, seq);

ALTER TABLE public.schema_history ADD CONSTRAINT schema_history_pkey PRIMARY KEY (version, program);

ALTER TABLE public.timeline ADD CONSTRAINT timeline_pkey PRIMARY KEY (id);

ALTER TABLE public.timeline ADD CONSTRAINT timeline_step_check CHECK ((step = ANY (ARRAY['observe'::text, 'verify'::text, 'correlate'::text, 'decide'::text, 'contain'::text, 'confirm'::text, 'recover'::text])));

ALTER TABLE public.webhooks ADD CONSTRAINT webhooks_pkey PRIMARY KEY (id);

ALTER TABLE public.webhooks ADD CONSTRAINT webhooks_least_check CHECK (("least" = ANY (ARRAY['notify'::text, 'page'::text])));

CREATE INDEX actions_incident ON public.actions USING btree (incident_id);

CREATE INDEX attempts_action ON public.attempts USING btree (action_id);

CREATE INDEX checks_target ON public.checks USING btree (target, kind, at_ms DESC);

CREATE INDEX commands_open ON public.commands USING btree (group_id, replica) WHERE (state = ANY (ARRAY['waiting'::text, 'taken'::text]));

CREATE INDEX decisions_incident ON public.decisions USING btree (incident_id);

CREATE INDEX deliveries_due ON public.deliveries USING btree (webhook, next_at) WHERE (delivered_at IS NULL);

CREATE INDEX evidence_claim ON public.evidence USING btree (claim_id);

CREATE INDEX evidence_incident ON public.evidence USING btree (incident_id);

CREATE INDEX incidents_recent ON public.incidents USING btree (opened_at_ms DESC);

CREATE INDEX observations_event ON public.observations USING btree (event_id);

CREATE INDEX timeline_incident ON public.timeline USING btree (incident_id, at_ms);

CREATE TRIGGER input_log_append_only BEFORE DELETE OR UPDATE ON public.input_log FOR EACH ROW EXECUTE FUNCTION public.refuse_rewrite();

CREATE TRIGGER input_log_no_truncate BEFORE TRUNCATE ON public.input_log FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewrite();

COMMENT ON TABLE public.actions IS 'What is asked of each gate, and how far it got.';

COMMENT ON TABLE public.attempts IS 'Signed bytes. A row commits before the first byte leaves.';

COMMENT ON TABLE public.checks IS 'Checks of the ways of containing, from the log.';

COMMENT ON TABLE public.commands IS 'What people tell the engine of a log. The running service takes a row within a second, logs it as an input, and answers.';

COMMENT ON TABLE public.cursors IS 'Where each chain was left. Written in one transaction with the observations before it.';

COMMENT ON TABLE public.decisions IS 'Plans with their reasons.';

COMMENT ON TABLE public.deliveries IS 'One row for each message and each who is told. It stays due until the other side has confirmed it.';

COMMENT ON TABLE public.evidence IS 'What was offered as proof and what the verifier made of it. Undecided is kept like the rest.';

COMMENT ON TABLE public.false_alarms IS 'Incidents that people judged to be nothing, from the log.';

COMMENT ON TABLE public.gates IS 'Each configured gate as it was last read; nulls where it was never read.';

COMMENT ON TABLE public.incidents IS 'Incidents as they now stand.';

COMMENT ON TABLE public.input_log IS 'Every input that an engine consumed, in order. Append-only; the replay of it gives the same effects, byte for byte.';

COMMENT ON TABLE public.kill_switches IS 'Signing is refused for what a row names. Read each time before something is signed, beside the files in the data directory.';

COMMENT ON TABLE public.leases IS 'Which process works on a group under a name. Saves work; what keeps two writers apart is the end of the log.';

COMMENT ON TABLE public.log_forks IS 'Records of a local journal that found their place in the log taken by another process when they were brought in. Kept for the record; no engine continues them.';

COMMENT ON TABLE public.logs IS 'The end of each input log. A commit moves it from exactly the end it knew, so that two writers can never both append.';

COMMENT ON TABLE public.notices IS 'What people were told.';

COMMENT ON TABLE public.notifications IS 'Messages to people, written with the tables for people from the log, or by the service about itself.';

COMMENT ON TABLE public.observations IS 'What adapters reported, for people. Untrusted unless evidence says otherwise.';

COMMENT ON TABLE public.schema_history IS 'Which program brought the schema to which version. Written after each migration; never part of a backup.';

COMMENT ON TABLE public.timeline IS 'What happened when, one line per step, for people. Written after the fact.';

COMMENT ON TABLE public.webhooks IS 'Who is told, by the configuration that was started or changed last.';

COMMENT ON COLUMN public.actions.group_id IS 'Linked group.';
COMMENT ON COLUMN public.actions.replica IS 'Name of the log.';
COMMENT ON COLUMN public.actions.action_id IS 'Derived from what is asked.';
COMMENT ON COLUMN public.actions.incident_id IS 'On whose behalf.';
COMMENT ON COLUMN public.actions.seq IS 'Record of the log that led to it.';
COMMENT ON COLUMN public.actions.chain IS 'CAIP-2 chain of the gate.';
COMMENT ON COLUMN public.actions.target IS 'The gate, 32 bytes, left padded.';
COMMENT ON COLUMN public.actions.scope IS 'Scope as the gate counts it.';
COMMENT ON COLUMN public.actions.level IS 'At least this tight: limited or closed.';
COMMENT ON COLUMN public.actions.until_s IS 'Until this chain time.';
COMMENT ON COLUMN public.actions.until_height IS 'And not before this height.';
COMMENT ON COLUMN public.actions.generation IS 'Releases of the scope that the engine knew of.';
COMMENT ON COLUMN public.actions.class IS 'How much it hurts.';
COMMENT ON COLUMN public.actions.playbook IS 'Playbook that allows it; kill switches can name it.';
COMMENT ON COLUMN public.actions.value_micro_usd IS 'Value at risk behind the gate.';
COMMENT ON COLUMN public.actions.reasons IS 'Why, one sentence each.';
COMMENT ON COLUMN public.actions.record IS 'Head of the log that goes into the trip.';
COMMENT ON COLUMN public.actions.state IS 'How far it got; effective means proven (or reported, where the chain allows no more).';
COMMENT ON COLUMN public.actions.detail IS 'For people: the last thing that was learned.';
COMMENT ON COLUMN public.actions.landed_height IS 'Block that holds it, once it landed.';
COMMENT ON COLUMN public.actions.landed_hash IS 'Hash of that block.';
COMMENT ON COLUMN public.actions.decided_at_ms IS 'When it was decided.';
COMMENT ON COLUMN public.actions.updated_at_ms IS 'When its state changed last.';

COMMENT ON COLUMN public.attempts.chain IS 'CAIP-2 chain.';
COMMENT ON COLUMN public.attempts.hash IS 'Hash by which the chain knows it.';
COMMENT ON COLUMN public.attempts.group_id IS 'Linked group.';
COMMENT ON COLUMN public.attempts.replica IS 'Name of the log.';
COMMENT ON COLUMN public.attempts.action_id IS 'For which action.';
COMMENT ON COLUMN public.attempts.bytes IS 'What is sent.';
COMMENT ON COLUMN public.attempts.sender IS 'Account that pays, 32 bytes, left padded.';
COMMENT ON COLUMN public.attempts.nonce IS 'Nonce or sequence of the sender.';
COMMENT ON COLUMN public.attempts.bump IS 'Step of the fee schedule, from 0.';
COMMENT ON COLUMN public.attempts.fee IS 'Fee per gas offered, decimal, in the base unit of the chain.';
COMMENT ON COLUMN public.attempts.state IS 'signed: stored, perhaps not sent; sent: handed to endpoints; the rest as the quorum reports.';
COMMENT ON COLUMN public.attempts.detail IS 'For people.';
COMMENT ON COLUMN public.attempts.replies IS 'What each endpoint said, one entry per operator, of the last broadcast.';
COMMENT ON COLUMN public.attempts.signed_at_ms IS 'When it was signed.';
COMMENT ON COLUMN public.attempts.sent_at_ms IS 'When it was first handed to endpoints.';

COMMENT ON COLUMN public.checks.group_id IS 'Linked group.';
COMMENT ON COLUMN public.checks.replica IS 'Name of the log.';
COMMENT ON COLUMN public.checks.seq IS 'Record of the log that led to it.';
COMMENT ON COLUMN public.checks.ordinal IS 'Position among the effects of that record.';
COMMENT ON COLUMN public.checks.target IS 'Configured name of the gate.';
COMMENT ON COLUMN public.checks.kind IS 'rehearsal: simulated; canary: a scope that nobody asks was closed; gas: money left for the hour.';
COMMENT ON COLUMN public.checks.ok IS 'Whether nothing would fail.';
COMMENT ON COLUMN public.checks.failing IS 'What would fail, with cause and fix.';
COMMENT ON COLUMN public.checks.took_ms IS 'How long it took.';
COMMENT ON COLUMN public.checks.at_ms IS 'When.';

COMMENT ON COLUMN public.commands.id IS 'Order of arrival.';
COMMENT ON COLUMN public.commands.group_id IS 'Linked group.';
COMMENT ON COLUMN public.commands.replica IS 'Name of the log.';
COMMENT ON COLUMN public.commands.kind IS 'Kind of the command; the service refuses a row whose command is of another kind.';
COMMENT ON COLUMN public.commands.command IS 'The command with its fields.';
COMMENT ON COLUMN public.commands.asked_at IS 'By the clock of the database. What lends trust waits from here on.';
COMMENT ON COLUMN public.commands.state IS 'waiting; taken by the service; answered from the log; refused; cancelled by a false alarm; expired because nobody took it.';
COMMENT ON COLUMN public.commands.digest IS 'Hash of the command as it was given to the engine: by it the record of the log finds its row.';
COMMENT ON COLUMN public.commands.answer IS 'What came of it, or why it was refused.';
COMMENT ON COLUMN public.commands.answered_at IS 'When.';

COMMENT ON COLUMN public.cursors.group_id IS 'Linked group.';
COMMENT ON COLUMN public.cursors.replica IS 'Name of the log.';
COMMENT ON COLUMN public.cursors.chain IS 'CAIP-2 chain.';
COMMENT ON COLUMN public.cursors.height IS 'Newest block delivered.';
COMMENT ON COLUMN public.cursors.block_hash IS 'Its hash.';
COMMENT ON COLUMN public.cursors.encoded IS 'Recent blocks with hashes, newest first, and the events to retract should they leave the chain; encoded.';
COMMENT ON COLUMN public.cursors.at_ms IS 'When it was written.';

COMMENT ON COLUMN public.decisions.group_id IS 'Linked group.';
COMMENT ON COLUMN public.decisions.replica IS 'Name of the log.';
COMMENT ON COLUMN public.decisions.seq IS 'Record of the log that led to it.';
COMMENT ON COLUMN public.decisions.ordinal IS 'Position among the effects of that record.';
COMMENT ON COLUMN public.decisions.incident_id IS 'On whose behalf.';
COMMENT ON COLUMN public.decisions.class IS 'Class of action that was chosen.';
COMMENT ON COLUMN public.decisions.playbook IS 'Playbook that allows it.';
COMMENT ON COLUMN public.decisions.reasons IS 'Why, one sentence each.';
COMMENT ON COLUMN public.decisions.withheld IS 'Actions that a mode or a missing assurance held back, each with its reason.';
COMMENT ON COLUMN public.decisions.record IS 'Head of the log after the input that led to it; goes into every trip.';
COMMENT ON COLUMN public.decisions.engine_version IS 'Version of the engine that decided.';
COMMENT ON COLUMN public.decisions.at_ms IS 'When.';

COMMENT ON COLUMN public.deliveries.notification IS 'Which message.';
COMMENT ON COLUMN public.deliveries.webhook IS 'To whom.';
COMMENT ON COLUMN public.deliveries.tries IS 'How often it was sent.';
COMMENT ON COLUMN public.deliveries.next_at IS 'Not before then; also keeps two processes from sending it at once.';
COMMENT ON COLUMN public.deliveries.delivered_at IS 'When the other side confirmed it.';
COMMENT ON COLUMN public.deliveries.detail IS 'What the other side said last.';

COMMENT ON COLUMN public.evidence.id IS 'Order of arrival.';
COMMENT ON COLUMN public.evidence.group_id IS 'Linked group.';
COMMENT ON COLUMN public.evidence.replica IS 'Name of the log.';
COMMENT ON COLUMN public.evidence.incident_id IS 'For which incident, where it is one.';
COMMENT ON COLUMN public.evidence.claim_id IS 'Id of the claim, by content.';
COMMENT ON COLUMN public.evidence.claim IS 'What had to be proven, with its value.';
COMMENT ON COLUMN public.evidence.system IS 'Proof system; empty when no evidence could be had.';
COMMENT ON COLUMN public.evidence.bytes IS 'The evidence itself, so that anybody can verify it again; empty when none could be had or it is over the bound.';
COMMENT ON COLUMN public.evidence.outcome IS 'proven, refuted or undecided.';
COMMENT ON COLUMN public.evidence.verdict IS 'The verdict in full.';
COMMENT ON COLUMN public.evidence.assurance IS 'What the verdict rests on; null when undecided.';
COMMENT ON COLUMN public.evidence.took_ms IS 'From the request to the verdict.';
COMMENT ON COLUMN public.evidence.at_ms IS 'When the verdict was made.';

COMMENT ON COLUMN public.false_alarms.group_id IS 'Linked group.';
COMMENT ON COLUMN public.false_alarms.replica IS 'Name of the log.';
COMMENT ON COLUMN public.false_alarms.incident_id IS 'Which.';
COMMENT ON COLUMN public.false_alarms.said_by IS 'Who.';
COMMENT ON COLUMN public.false_alarms.reason IS 'Why.';
COMMENT ON COLUMN public.false_alarms.at_ms IS 'When.';

COMMENT ON COLUMN public.gates.group_id IS 'Linked group.';
COMMENT ON COLUMN public.gates.replica IS 'Name of the log.';
COMMENT ON COLUMN public.gates.target IS 'Configured name.';
COMMENT ON COLUMN public.gates.chain IS 'CAIP-2 chain.';
COMMENT ON COLUMN public.gates.address IS 'The gate, 32 bytes, left padded.';
COMMENT ON COLUMN public.gates.scope IS 'Scope as the gate counts it.';
COMMENT ON COLUMN public.gates.mode IS 'How far automation may go there by the configuration.';
COMMENT ON COLUMN public.gates.level IS 'open, limited or closed.';
COMMENT ON COLUMN public.gates.until_s IS 'Until this chain time; zero when open.';
COMMENT ON COLUMN public.gates.until_height IS 'And not before this height.';
COMMENT ON COLUMN public.gates.generation IS 'Releases so far.';
COMMENT ON COLUMN public.gates.height IS 'Block at which it was read.';
COMMENT ON COLUMN public.gates.proven IS 'True when a proof says so, false when operators report it.';
COMMENT ON COLUMN public.gates.at_ms IS 'When it was read.';
COMMENT ON COLUMN public.gates.standing_mode IS 'How far it may go now, where people or a false alarm changed it; null where the configuration holds.';
COMMENT ON COLUMN public.gates.mode_until_ms IS 'Until when that was lent; null where it does not run out.';
COMMENT ON COLUMN public.gates.mode_why IS 'Who changed it and why.';
COMMENT ON COLUMN public.gates.mode_at_ms IS 'When.';

COMMENT ON COLUMN public.incidents.group_id IS 'Linked group.';
COMMENT ON COLUMN public.incidents.replica IS 'Name of the log.';
COMMENT ON COLUMN public.incidents.incident_id IS 'Derived from group, opening event and cause.';
COMMENT ON COLUMN public.incidents.state IS 'open, or retracted when nothing supports it any more.';
COMMENT ON COLUMN public.incidents.class IS 'Highest class of action that its signals allow.';
COMMENT ON COLUMN public.incidents.value_micro_usd IS 'Value behind its signals.';
COMMENT ON COLUMN public.incidents.signals IS 'Everything that supports it, in order of chain position.';
COMMENT ON COLUMN public.incidents.opened_seq IS 'Record of the log that opened it.';
COMMENT ON COLUMN public.incidents.opened_at_ms IS 'When it was opened.';
COMMENT ON COLUMN public.incidents.updated_seq IS 'Record of the log that changed it last.';
COMMENT ON COLUMN public.incidents.updated_at_ms IS 'When it changed last.';

COMMENT ON COLUMN public.input_log.group_id IS 'Linked group.';
COMMENT ON COLUMN public.input_log.replica IS 'Name of this log among those of the group.';
COMMENT ON COLUMN public.input_log.seq IS 'Position in the log, from 0, without gaps.';
COMMENT ON COLUMN public.input_log.at_ms IS 'Moment at which the service accepted the input; never decreases with seq.';
COMMENT ON COLUMN public.input_log.kind IS 'Kind of the input, for people; the truth is inside encoded.';
COMMENT ON COLUMN public.input_log.encoded IS 'The input in the versioned binary encoding of the log.';
COMMENT ON COLUMN public.input_log.head IS 'Head of the chain of hashes after this record: covers the previous head, seq and encoded.';
COMMENT ON COLUMN public.input_log.engine_version IS 'Version of the engine that consumed it.';
COMMENT ON COLUMN public.input_log.effects IS 'What the engine asked for, encoded; kept to be compared with a replay.';

COMMENT ON COLUMN public.kill_switches.scope IS 'all, chain/<CAIP-2>, or playbook/<name>.';
COMMENT ON COLUMN public.kill_switches.set_by IS 'Who.';
COMMENT ON COLUMN public.kill_switches.reason IS 'Why.';
COMMENT ON COLUMN public.kill_switches.set_at IS 'When.';

COMMENT ON COLUMN public.leases.group_id IS 'Linked group.';
COMMENT ON COLUMN public.leases.replica IS 'Name of the log.';
COMMENT ON COLUMN public.leases.holder IS 'Process that holds it.';
COMMENT ON COLUMN public.leases.epoch IS 'Counts changes of holder.';
COMMENT ON COLUMN public.leases.held_until IS 'By the clock of the database; free afterwards.';

COMMENT ON COLUMN public.log_forks.group_id IS 'Linked group.';
COMMENT ON COLUMN public.log_forks.replica IS 'Name of the log.';
COMMENT ON COLUMN public.log_forks.holder IS 'Process that wrote them.';
COMMENT ON COLUMN public.log_forks.seq IS 'Position that they had.';
COMMENT ON COLUMN public.log_forks.at_ms IS 'Moment at which that process accepted the input.';
COMMENT ON COLUMN public.log_forks.encoded IS 'The input, encoded.';
COMMENT ON COLUMN public.log_forks.head IS 'Head after it in that process.';
COMMENT ON COLUMN public.log_forks.effects IS 'What its engine asked for, encoded.';

COMMENT ON COLUMN public.logs.group_id IS 'Linked group.';
COMMENT ON COLUMN public.logs.replica IS 'Name of this log among those of the group.';
COMMENT ON COLUMN public.logs.next_seq IS 'Sequence number that the next record takes.';
COMMENT ON COLUMN public.logs.head IS 'Head of the chain of hashes after the last record; zero before the first.';
COMMENT ON COLUMN public.logs.last_at_ms IS 'Moment of the last record; the next one is never earlier.';
COMMENT ON COLUMN public.logs.engine_version IS 'Version of the engine that consumed the last record.';
COMMENT ON COLUMN public.logs.views_seq IS 'Records before this one stand in the tables for people; those from here on follow within moments.';

COMMENT ON COLUMN public.notices.group_id IS 'Linked group.';
COMMENT ON COLUMN public.notices.replica IS 'Name of the log.';
COMMENT ON COLUMN public.notices.seq IS 'Record of the log that led to it.';
COMMENT ON COLUMN public.notices.ordinal IS 'Position among the effects of that record.';
COMMENT ON COLUMN public.notices.bridge IS 'Which bridge.';
COMMENT ON COLUMN public.notices.cause IS 'Why.';
COMMENT ON COLUMN public.notices.class IS 'How urgent.';
COMMENT ON COLUMN public.notices.incident_id IS 'Incident, where there is one.';
COMMENT ON COLUMN public.notices.text IS 'One sentence.';
COMMENT ON COLUMN public.notices.at_ms IS 'When.';

COMMENT ON COLUMN public.notifications.id IS 'Order of arrival.';
COMMENT ON COLUMN public.notifications.key IS 'Derived from what it is about: the same message has the same key, whoever sends it and how often.';
COMMENT ON COLUMN public.notifications.severity IS 'page wakes a person, notify does not.';
COMMENT ON COLUMN public.notifications.body IS 'The JSON document as it is sent, byte for byte.';
COMMENT ON COLUMN public.notifications.at_ms IS 'When it happened.';

COMMENT ON COLUMN public.observations.group_id IS 'Linked group.';
COMMENT ON COLUMN public.observations.replica IS 'Name of the log.';
COMMENT ON COLUMN public.observations.seq IS 'Record of the log that holds it.';
COMMENT ON COLUMN public.observations.event_id IS 'Id of the event, equal for every status and whoever reports it.';
COMMENT ON COLUMN public.observations.chain IS 'CAIP-2 chain.';
COMMENT ON COLUMN public.observations.height IS 'Block number.';
COMMENT ON COLUMN public.observations.block_hash IS 'Block hash.';
COMMENT ON COLUMN public.observations.tx_hash IS 'Transaction; zero where none made it.';
COMMENT ON COLUMN public.observations.log_index IS 'Index of the log in the block.';
COMMENT ON COLUMN public.observations.time_s IS 'Time of the block.';
COMMENT ON COLUMN public.observations.status IS 'pending, included, safe, final or retracted.';
COMMENT ON COLUMN public.observations.kind IS 'transfer, admin, fault or unmapped.';
COMMENT ON COLUMN public.observations.view IS 'The event with its fields.';

COMMENT ON COLUMN public.schema_history.version IS 'Newest migration that had been applied then.';
COMMENT ON COLUMN public.schema_history.program IS 'Version of portcullis that applied it.';
COMMENT ON COLUMN public.schema_history.at IS 'When.';

COMMENT ON COLUMN public.timeline.id IS 'Order of arrival.';
COMMENT ON COLUMN public.timeline.group_id IS 'Linked group.';
COMMENT ON COLUMN public.timeline.replica IS 'Name of the log.';
COMMENT ON COLUMN public.timeline.incident_id IS 'Incident, where there is one.';
COMMENT ON COLUMN public.timeline.step IS 'One of the seven verbs.';
COMMENT ON COLUMN public.timeline.chain IS 'CAIP-2 chain, where it is one.';
COMMENT ON COLUMN public.timeline.action_id IS 'Action, where it is one.';
COMMENT ON COLUMN public.timeline.at_ms IS 'When it happened.';
COMMENT ON COLUMN public.timeline.height IS 'Height of the chain, where it matters.';
COMMENT ON COLUMN public.timeline.detail IS 'One sentence.';

COMMENT ON COLUMN public.webhooks.id IS 'Configured name.';
COMMENT ON COLUMN public.webhooks."least" IS 'Least severity that is sent there.';
COMMENT ON COLUMN public.webhooks.at IS 'When it was configured.';
