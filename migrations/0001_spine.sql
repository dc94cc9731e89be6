-- The record of what was observed, proven, decided, sent and confirmed.
--
-- Two kinds of tables. `input_log` is the truth: every input that an engine consumed, in order, hash-chained, with what
-- it caused; `cursors` and `attempts` (what was signed, before the first byte leaves) commit with it in one statement.
-- The others are for people: made from the log, record by record, a moment later, or written after the fact.
--
-- `replica` names one log among those of its group. Times ending in `_ms` are the service's clock, milliseconds since
-- 1970; those ending in `_s` are chain time, seconds since 1970.

CREATE TABLE logs (
    group_id       text   NOT NULL,
    replica        text   NOT NULL,
    next_seq       bigint NOT NULL CHECK (next_seq >= 0),
    head           bytea  NOT NULL CHECK (octet_length(head) = 32),
    last_at_ms     bigint NOT NULL CHECK (last_at_ms >= 0),
    engine_version integer NOT NULL,
    views_seq      bigint NOT NULL DEFAULT 0 CHECK (views_seq BETWEEN 0 AND next_seq),
    PRIMARY KEY (group_id, replica)
);
COMMENT ON TABLE logs IS 'The end of each input log. A commit moves it from exactly the end it knew, so that two writers can never both append.';
COMMENT ON COLUMN logs.group_id IS 'Linked group.';
COMMENT ON COLUMN logs.replica IS 'Name of this log among those of the group.';
COMMENT ON COLUMN logs.next_seq IS 'Sequence number that the next record takes.';
COMMENT ON COLUMN logs.head IS 'Head of the chain of hashes after the last record; zero before the first.';
COMMENT ON COLUMN logs.last_at_ms IS 'Moment of the last record; the next one is never earlier.';
COMMENT ON COLUMN logs.engine_version IS 'Version of the engine that consumed the last record.';
COMMENT ON COLUMN logs.views_seq IS 'Records before this one stand in the tables for people; those from here on follow within moments.';

CREATE TABLE input_log (
    group_id       text    NOT NULL,
    replica        text    NOT NULL,
    seq            bigint  NOT NULL CHECK (seq >= 0),
    at_ms          bigint  NOT NULL,
    kind           text    NOT NULL,
    encoded        bytea   NOT NULL,
    head           bytea   NOT NULL CHECK (octet_length(head) = 32),
    engine_version integer NOT NULL,
    effects        bytea   NOT NULL,
    PRIMARY KEY (group_id, replica, seq, at_ms)
) PARTITION BY RANGE (at_ms);
COMMENT ON TABLE input_log IS 'Every input that an engine consumed, in order. Append-only; the replay of it gives the same effects, byte for byte.';
COMMENT ON COLUMN input_log.group_id IS 'Linked group.';
COMMENT ON COLUMN input_log.replica IS 'Name of this log among those of the group.';
COMMENT ON COLUMN input_log.seq IS 'Position in the log, from 0, without gaps.';
COMMENT ON COLUMN input_log.at_ms IS 'Moment at which the service accepted the input; never decreases with seq.';
COMMENT ON COLUMN input_log.kind IS 'Kind of the input, for people; the truth is inside encoded.';
COMMENT ON COLUMN input_log.encoded IS 'The input in the versioned binary encoding of the log.';
COMMENT ON COLUMN input_log.head IS 'Head of the chain of hashes after this record: covers the previous head, seq and encoded.';
COMMENT ON COLUMN input_log.engine_version IS 'Version of the engine that consumed it.';
COMMENT ON COLUMN input_log.effects IS 'What the engine asked for, encoded; kept to be compared with a replay.';

CREATE TABLE input_log_default PARTITION OF input_log DEFAULT;

-- SECURITY: the service itself cannot rewrite the past. Old partitions leave by being detached, which needs the owner.
CREATE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the log is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER input_log_append_only BEFORE UPDATE OR DELETE ON input_log
    FOR EACH ROW EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER input_log_no_truncate BEFORE TRUNCATE ON input_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();

-- Makes the partition of the month that holds a moment, if it is not there; says whether it made one. The name gives the
-- month in UTC.
CREATE FUNCTION ensure_log_partition(moment_ms bigint) RETURNS boolean LANGUAGE plpgsql AS $$
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
$$;

CREATE TABLE log_forks (
    group_id   text   NOT NULL,
    replica    text   NOT NULL,
    holder     text   NOT NULL,
    seq        bigint NOT NULL,
    at_ms      bigint NOT NULL,
    encoded    bytea  NOT NULL,
    head       bytea  NOT NULL,
    effects    bytea  NOT NULL,
    PRIMARY KEY (group_id, replica, holder, seq, head)
);
COMMENT ON TABLE log_forks IS 'Records of a local journal that found their place in the log taken by another process when they were brought in. Kept for the record; no engine continues them.';
COMMENT ON COLUMN log_forks.group_id IS 'Linked group.';
COMMENT ON COLUMN log_forks.replica IS 'Name of the log.';
COMMENT ON COLUMN log_forks.holder IS 'Process that wrote them.';
COMMENT ON COLUMN log_forks.seq IS 'Position that they had.';
COMMENT ON COLUMN log_forks.at_ms IS 'Moment at which that process accepted the input.';
COMMENT ON COLUMN log_forks.encoded IS 'The input, encoded.';
COMMENT ON COLUMN log_forks.head IS 'Head after it in that process.';
COMMENT ON COLUMN log_forks.effects IS 'What its engine asked for, encoded.';

CREATE TABLE cursors (
    group_id   text   NOT NULL,
    replica    text   NOT NULL,
    chain      text   NOT NULL,
    height     bigint NOT NULL CHECK (height >= 0),
    block_hash bytea  NOT NULL CHECK (octet_length(block_hash) = 32),
    encoded    bytea  NOT NULL,
    at_ms      bigint NOT NULL,
    PRIMARY KEY (group_id, replica, chain)
);
COMMENT ON TABLE cursors IS 'Where each chain was left. Written in one transaction with the observations before it.';
COMMENT ON COLUMN cursors.group_id IS 'Linked group.';
COMMENT ON COLUMN cursors.replica IS 'Name of the log.';
COMMENT ON COLUMN cursors.chain IS 'CAIP-2 chain.';
COMMENT ON COLUMN cursors.height IS 'Newest block delivered.';
COMMENT ON COLUMN cursors.block_hash IS 'Its hash.';
COMMENT ON COLUMN cursors.encoded IS 'Recent blocks with hashes, newest first, and the events to retract should they leave the chain; encoded.';
COMMENT ON COLUMN cursors.at_ms IS 'When it was written.';

CREATE TABLE observations (
    group_id   text    NOT NULL,
    replica    text    NOT NULL,
    seq        bigint  NOT NULL,
    event_id   bytea   NOT NULL,
    chain      text    NOT NULL,
    height     bigint  NOT NULL,
    block_hash bytea   NOT NULL,
    tx_hash    bytea   NOT NULL,
    log_index  bigint  NOT NULL,
    time_s     bigint  NOT NULL,
    status     text    NOT NULL,
    kind       text    NOT NULL,
    view       jsonb   NOT NULL,
    PRIMARY KEY (group_id, replica, seq)
);
CREATE INDEX observations_event ON observations (event_id);
COMMENT ON TABLE observations IS 'What adapters reported, for people. Untrusted unless evidence says otherwise.';
COMMENT ON COLUMN observations.group_id IS 'Linked group.';
COMMENT ON COLUMN observations.replica IS 'Name of the log.';
COMMENT ON COLUMN observations.seq IS 'Record of the log that holds it.';
COMMENT ON COLUMN observations.event_id IS 'Id of the event, equal for every status and whoever reports it.';
COMMENT ON COLUMN observations.chain IS 'CAIP-2 chain.';
COMMENT ON COLUMN observations.height IS 'Block number.';
COMMENT ON COLUMN observations.block_hash IS 'Block hash.';
COMMENT ON COLUMN observations.tx_hash IS 'Transaction; zero where none made it.';
COMMENT ON COLUMN observations.log_index IS 'Index of the log in the block.';
COMMENT ON COLUMN observations.time_s IS 'Time of the block.';
COMMENT ON COLUMN observations.status IS 'pending, included, safe, final or retracted.';
COMMENT ON COLUMN observations.kind IS 'transfer, admin, fault or unmapped.';
COMMENT ON COLUMN observations.view IS 'The event with its fields.';

CREATE TABLE incidents (
    group_id        text   NOT NULL,
    replica         text   NOT NULL,
    incident_id     bytea  NOT NULL CHECK (octet_length(incident_id) = 32),
    state           text   NOT NULL CHECK (state IN ('open', 'retracted')),
    class           text   NOT NULL,
    value_micro_usd bigint NOT NULL,
    signals         jsonb  NOT NULL,
    opened_seq      bigint NOT NULL,
    opened_at_ms    bigint NOT NULL,
    updated_seq     bigint NOT NULL,
    updated_at_ms   bigint NOT NULL,
    PRIMARY KEY (group_id, replica, incident_id)
);
CREATE INDEX incidents_recent ON incidents (opened_at_ms DESC);
COMMENT ON TABLE incidents IS 'Incidents as they now stand.';
COMMENT ON COLUMN incidents.group_id IS 'Linked group.';
COMMENT ON COLUMN incidents.replica IS 'Name of the log.';
COMMENT ON COLUMN incidents.incident_id IS 'Derived from group, opening event and cause.';
COMMENT ON COLUMN incidents.state IS 'open, or retracted when nothing supports it any more.';
COMMENT ON COLUMN incidents.class IS 'Highest class of action that its signals allow.';
COMMENT ON COLUMN incidents.value_micro_usd IS 'Value behind its signals.';
COMMENT ON COLUMN incidents.signals IS 'Everything that supports it, in order of chain position.';
COMMENT ON COLUMN incidents.opened_seq IS 'Record of the log that opened it.';
COMMENT ON COLUMN incidents.opened_at_ms IS 'When it was opened.';
COMMENT ON COLUMN incidents.updated_seq IS 'Record of the log that changed it last.';
COMMENT ON COLUMN incidents.updated_at_ms IS 'When it changed last.';

CREATE TABLE decisions (
    group_id       text    NOT NULL,
    replica        text    NOT NULL,
    seq            bigint  NOT NULL,
    ordinal        integer NOT NULL,
    incident_id    bytea   NOT NULL,
    class          text    NOT NULL,
    playbook       text    NOT NULL,
    reasons        jsonb   NOT NULL,
    withheld       jsonb   NOT NULL,
    record         bytea   NOT NULL,
    engine_version integer NOT NULL,
    at_ms          bigint  NOT NULL,
    PRIMARY KEY (group_id, replica, seq, ordinal)
);
CREATE INDEX decisions_incident ON decisions (incident_id);
COMMENT ON TABLE decisions IS 'Plans with their reasons.';
COMMENT ON COLUMN decisions.group_id IS 'Linked group.';
COMMENT ON COLUMN decisions.replica IS 'Name of the log.';
COMMENT ON COLUMN decisions.seq IS 'Record of the log that led to it.';
COMMENT ON COLUMN decisions.ordinal IS 'Position among the effects of that record.';
COMMENT ON COLUMN decisions.incident_id IS 'On whose behalf.';
COMMENT ON COLUMN decisions.class IS 'Class of action that was chosen.';
COMMENT ON COLUMN decisions.playbook IS 'Playbook that allows it.';
COMMENT ON COLUMN decisions.reasons IS 'Why, one sentence each.';
COMMENT ON COLUMN decisions.withheld IS 'Actions that a mode or a missing assurance held back, each with its reason.';
COMMENT ON COLUMN decisions.record IS 'Head of the log after the input that led to it; goes into every trip.';
COMMENT ON COLUMN decisions.engine_version IS 'Version of the engine that decided.';
COMMENT ON COLUMN decisions.at_ms IS 'When.';

CREATE TABLE actions (
    group_id        text    NOT NULL,
    replica         text    NOT NULL,
    action_id       bytea   NOT NULL CHECK (octet_length(action_id) = 32),
    incident_id     bytea   NOT NULL,
    seq             bigint  NOT NULL,
    chain           text    NOT NULL,
    target          bytea   NOT NULL,
    scope           bytea   NOT NULL,
    level           text    NOT NULL,
    until_s         bigint  NOT NULL,
    until_height    bigint  NOT NULL,
    generation      bigint  NOT NULL,
    class           text    NOT NULL,
    playbook        text    NOT NULL,
    value_micro_usd bigint  NOT NULL,
    reasons         jsonb   NOT NULL,
    record          bytea   NOT NULL,
    state           text    NOT NULL DEFAULT 'decided'
        CHECK (state IN ('decided', 'sent', 'delayed', 'landed', 'reverted', 'reorged', 'effective', 'stopped', 'expired')),
    detail          text    NOT NULL DEFAULT '',
    landed_height   bigint,
    landed_hash     bytea,
    decided_at_ms   bigint  NOT NULL,
    updated_at_ms   bigint  NOT NULL,
    PRIMARY KEY (group_id, replica, action_id)
);
CREATE INDEX actions_incident ON actions (incident_id);
COMMENT ON TABLE actions IS 'What is asked of each gate, and how far it got.';
COMMENT ON COLUMN actions.group_id IS 'Linked group.';
COMMENT ON COLUMN actions.replica IS 'Name of the log.';
COMMENT ON COLUMN actions.action_id IS 'Derived from what is asked.';
COMMENT ON COLUMN actions.incident_id IS 'On whose behalf.';
COMMENT ON COLUMN actions.seq IS 'Record of the log that led to it.';
COMMENT ON COLUMN actions.chain IS 'CAIP-2 chain of the gate.';
COMMENT ON COLUMN actions.target IS 'The gate, 32 bytes, left padded.';
COMMENT ON COLUMN actions.scope IS 'Scope as the gate counts it.';
COMMENT ON COLUMN actions.level IS 'At least this tight: limited or closed.';
COMMENT ON COLUMN actions.until_s IS 'Until this chain time.';
COMMENT ON COLUMN actions.until_height IS 'And not before this height.';
COMMENT ON COLUMN actions.generation IS 'Releases of the scope that the engine knew of.';
COMMENT ON COLUMN actions.class IS 'How much it hurts.';
COMMENT ON COLUMN actions.playbook IS 'Playbook that allows it; kill switches can name it.';
COMMENT ON COLUMN actions.value_micro_usd IS 'Value at risk behind the gate.';
COMMENT ON COLUMN actions.reasons IS 'Why, one sentence each.';
COMMENT ON COLUMN actions.record IS 'Head of the log that goes into the trip.';
COMMENT ON COLUMN actions.state IS 'How far it got; effective means proven (or reported, where the chain allows no more).';
COMMENT ON COLUMN actions.detail IS 'For people: the last thing that was learned.';
COMMENT ON COLUMN actions.landed_height IS 'Block that holds it, once it landed.';
COMMENT ON COLUMN actions.landed_hash IS 'Hash of that block.';
COMMENT ON COLUMN actions.decided_at_ms IS 'When it was decided.';
COMMENT ON COLUMN actions.updated_at_ms IS 'When its state changed last.';

CREATE TABLE attempts (
    chain        text    NOT NULL,
    hash         bytea   NOT NULL CHECK (octet_length(hash) = 32),
    group_id     text    NOT NULL,
    replica      text    NOT NULL,
    action_id    bytea   NOT NULL,
    bytes        bytea   NOT NULL,
    sender       bytea   NOT NULL,
    nonce        bigint  NOT NULL,
    bump         integer NOT NULL,
    fee          text    NOT NULL,
    state        text    NOT NULL DEFAULT 'signed'
        CHECK (state IN ('signed', 'sent', 'included', 'reverted', 'replaced')),
    detail       text    NOT NULL DEFAULT '',
    replies      jsonb   NOT NULL DEFAULT '[]',
    signed_at_ms bigint  NOT NULL,
    sent_at_ms   bigint,
    PRIMARY KEY (chain, hash)
);
CREATE INDEX attempts_action ON attempts (action_id);
COMMENT ON TABLE attempts IS 'Signed bytes. A row commits before the first byte leaves.';
COMMENT ON COLUMN attempts.chain IS 'CAIP-2 chain.';
COMMENT ON COLUMN attempts.hash IS 'Hash by which the chain knows it.';
COMMENT ON COLUMN attempts.group_id IS 'Linked group.';
COMMENT ON COLUMN attempts.replica IS 'Name of the log.';
COMMENT ON COLUMN attempts.action_id IS 'For which action.';
COMMENT ON COLUMN attempts.bytes IS 'What is sent.';
COMMENT ON COLUMN attempts.sender IS 'Account that pays, 32 bytes, left padded.';
COMMENT ON COLUMN attempts.nonce IS 'Nonce or sequence of the sender.';
COMMENT ON COLUMN attempts.bump IS 'Step of the fee schedule, from 0.';
COMMENT ON COLUMN attempts.fee IS 'Fee per gas offered, decimal, in the base unit of the chain.';
COMMENT ON COLUMN attempts.state IS 'signed: stored, perhaps not sent; sent: handed to endpoints; the rest as the quorum reports.';
COMMENT ON COLUMN attempts.detail IS 'For people.';
COMMENT ON COLUMN attempts.replies IS 'What each endpoint said, one entry per operator, of the last broadcast.';
COMMENT ON COLUMN attempts.signed_at_ms IS 'When it was signed.';
COMMENT ON COLUMN attempts.sent_at_ms IS 'When it was first handed to endpoints.';

CREATE TABLE evidence (
    id          bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id    text    NOT NULL,
    replica     text    NOT NULL,
    incident_id bytea,
    claim_id    bytea   NOT NULL,
    claim       jsonb   NOT NULL,
    system      text    NOT NULL,
    bytes       bytea   NOT NULL,
    outcome     text    NOT NULL CHECK (outcome IN ('proven', 'refuted', 'undecided')),
    verdict     jsonb   NOT NULL,
    assurance   jsonb,
    took_ms     bigint  NOT NULL,
    at_ms       bigint  NOT NULL
);
CREATE INDEX evidence_claim ON evidence (claim_id);
CREATE INDEX evidence_incident ON evidence (incident_id);
COMMENT ON TABLE evidence IS 'What was offered as proof and what the verifier made of it. Undecided is kept like the rest.';
COMMENT ON COLUMN evidence.id IS 'Order of arrival.';
COMMENT ON COLUMN evidence.group_id IS 'Linked group.';
COMMENT ON COLUMN evidence.replica IS 'Name of the log.';
COMMENT ON COLUMN evidence.incident_id IS 'For which incident, where it is one.';
COMMENT ON COLUMN evidence.claim_id IS 'Id of the claim, by content.';
COMMENT ON COLUMN evidence.claim IS 'What had to be proven, with its value.';
COMMENT ON COLUMN evidence.system IS 'Proof system; empty when no evidence could be had.';
COMMENT ON COLUMN evidence.bytes IS 'The evidence itself, so that anybody can verify it again; empty when none could be had or it is over the bound.';
COMMENT ON COLUMN evidence.outcome IS 'proven, refuted or undecided.';
COMMENT ON COLUMN evidence.verdict IS 'The verdict in full.';
COMMENT ON COLUMN evidence.assurance IS 'What the verdict rests on; null when undecided.';
COMMENT ON COLUMN evidence.took_ms IS 'From the request to the verdict.';
COMMENT ON COLUMN evidence.at_ms IS 'When the verdict was made.';

CREATE TABLE gates (
    group_id     text    NOT NULL,
    replica      text    NOT NULL,
    target       text    NOT NULL,
    chain        text    NOT NULL,
    address      bytea   NOT NULL,
    scope        bytea   NOT NULL,
    mode         text    NOT NULL,
    level        text,
    until_s      bigint,
    until_height bigint,
    generation   bigint,
    height       bigint,
    proven       boolean,
    at_ms        bigint,
    PRIMARY KEY (group_id, replica, target)
);
COMMENT ON TABLE gates IS 'Each configured gate as it was last read; nulls where it was never read.';
COMMENT ON COLUMN gates.group_id IS 'Linked group.';
COMMENT ON COLUMN gates.replica IS 'Name of the log.';
COMMENT ON COLUMN gates.target IS 'Configured name.';
COMMENT ON COLUMN gates.chain IS 'CAIP-2 chain.';
COMMENT ON COLUMN gates.address IS 'The gate, 32 bytes, left padded.';
COMMENT ON COLUMN gates.scope IS 'Scope as the gate counts it.';
COMMENT ON COLUMN gates.mode IS 'How far automation may go there.';
COMMENT ON COLUMN gates.level IS 'open, limited or closed.';
COMMENT ON COLUMN gates.until_s IS 'Until this chain time; zero when open.';
COMMENT ON COLUMN gates.until_height IS 'And not before this height.';
COMMENT ON COLUMN gates.generation IS 'Releases so far.';
COMMENT ON COLUMN gates.height IS 'Block at which it was read.';
COMMENT ON COLUMN gates.proven IS 'True when a proof says so, false when operators report it.';
COMMENT ON COLUMN gates.at_ms IS 'When it was read.';

CREATE TABLE leases (
    group_id   text        NOT NULL,
    replica    text        NOT NULL,
    holder     text        NOT NULL,
    epoch      bigint      NOT NULL,
    held_until timestamptz NOT NULL,
    PRIMARY KEY (group_id, replica)
);
COMMENT ON TABLE leases IS 'Which process works on a group under a name. Saves work; what keeps two writers apart is the end of the log.';
COMMENT ON COLUMN leases.group_id IS 'Linked group.';
COMMENT ON COLUMN leases.replica IS 'Name of the log.';
COMMENT ON COLUMN leases.holder IS 'Process that holds it.';
COMMENT ON COLUMN leases.epoch IS 'Counts changes of holder.';
COMMENT ON COLUMN leases.held_until IS 'By the clock of the database; free afterwards.';

CREATE TABLE notices (
    group_id    text    NOT NULL,
    replica     text    NOT NULL,
    seq         bigint  NOT NULL,
    ordinal     integer NOT NULL,
    bridge      text    NOT NULL,
    cause       text    NOT NULL,
    class       text    NOT NULL,
    incident_id bytea,
    text        text    NOT NULL,
    at_ms       bigint  NOT NULL,
    PRIMARY KEY (group_id, replica, seq, ordinal)
);
COMMENT ON TABLE notices IS 'What people were told.';
COMMENT ON COLUMN notices.group_id IS 'Linked group.';
COMMENT ON COLUMN notices.replica IS 'Name of the log.';
COMMENT ON COLUMN notices.seq IS 'Record of the log that led to it.';
COMMENT ON COLUMN notices.ordinal IS 'Position among the effects of that record.';
COMMENT ON COLUMN notices.bridge IS 'Which bridge.';
COMMENT ON COLUMN notices.cause IS 'Why.';
COMMENT ON COLUMN notices.class IS 'How urgent.';
COMMENT ON COLUMN notices.incident_id IS 'Incident, where there is one.';
COMMENT ON COLUMN notices.text IS 'One sentence.';
COMMENT ON COLUMN notices.at_ms IS 'When.';

CREATE TABLE kill_switches (
    scope  text        NOT NULL PRIMARY KEY
        CHECK (scope = 'all' OR scope LIKE 'chain/%' OR scope LIKE 'playbook/%'),
    set_by text        NOT NULL,
    reason text        NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE kill_switches IS 'Signing is refused for what a row names. Read each time before something is signed, beside the files in the data directory.';
COMMENT ON COLUMN kill_switches.scope IS 'all, chain/<CAIP-2>, or playbook/<name>.';
COMMENT ON COLUMN kill_switches.set_by IS 'Who.';
COMMENT ON COLUMN kill_switches.reason IS 'Why.';
COMMENT ON COLUMN kill_switches.set_at IS 'When.';

CREATE TABLE timeline (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id    text   NOT NULL,
    replica     text   NOT NULL,
    incident_id bytea,
    step        text   NOT NULL
        CHECK (step IN ('observe', 'verify', 'correlate', 'decide', 'contain', 'confirm', 'recover')),
    chain       text,
    action_id   bytea,
    at_ms       bigint NOT NULL,
    height      bigint,
    detail      text   NOT NULL
);
CREATE INDEX timeline_incident ON timeline (incident_id, at_ms);
COMMENT ON TABLE timeline IS 'What happened when, one line per step, for people. Written after the fact.';
COMMENT ON COLUMN timeline.id IS 'Order of arrival.';
COMMENT ON COLUMN timeline.group_id IS 'Linked group.';
COMMENT ON COLUMN timeline.replica IS 'Name of the log.';
COMMENT ON COLUMN timeline.incident_id IS 'Incident, where there is one.';
COMMENT ON COLUMN timeline.step IS 'One of the seven verbs.';
COMMENT ON COLUMN timeline.chain IS 'CAIP-2 chain, where it is one.';
COMMENT ON COLUMN timeline.action_id IS 'Action, where it is one.';
COMMENT ON COLUMN timeline.at_ms IS 'When it happened.';
COMMENT ON COLUMN timeline.height IS 'Height of the chain, where it matters.';
COMMENT ON COLUMN timeline.detail IS 'One sentence.';
