-- What people are told, until each who wants to hear it has confirmed that they did.

CREATE TABLE webhooks (
    id    text NOT NULL PRIMARY KEY,
    least text NOT NULL CHECK (least IN ('notify', 'page')),
    at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE webhooks IS 'Who is told, by the configuration that was started or changed last.';
COMMENT ON COLUMN webhooks.id IS 'Configured name.';
COMMENT ON COLUMN webhooks.least IS 'Least severity that is sent there.';
COMMENT ON COLUMN webhooks.at IS 'When it was configured.';

CREATE TABLE notifications (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key      text   NOT NULL UNIQUE,
    severity text   NOT NULL CHECK (severity IN ('notify', 'page')),
    body     text   NOT NULL,
    at_ms    bigint NOT NULL
);
COMMENT ON TABLE notifications IS 'Messages to people, written with the tables for people from the log, or by the service about itself.';
COMMENT ON COLUMN notifications.id IS 'Order of arrival.';
COMMENT ON COLUMN notifications.key IS 'Derived from what it is about: the same message has the same key, whoever sends it and how often.';
COMMENT ON COLUMN notifications.severity IS 'page wakes a person, notify does not.';
COMMENT ON COLUMN notifications.body IS 'The JSON document as it is sent, byte for byte.';
COMMENT ON COLUMN notifications.at_ms IS 'When it happened.';

CREATE TABLE deliveries (
    notification bigint      NOT NULL,
    webhook      text        NOT NULL,
    tries        integer     NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    detail       text        NOT NULL DEFAULT '',
    PRIMARY KEY (notification, webhook)
);
CREATE INDEX deliveries_due ON deliveries (webhook, next_at) WHERE delivered_at IS NULL;
COMMENT ON TABLE deliveries IS 'One row for each message and each who is told. It stays due until the other side has confirmed it.';
COMMENT ON COLUMN deliveries.notification IS 'Which message.';
COMMENT ON COLUMN deliveries.webhook IS 'To whom.';
COMMENT ON COLUMN deliveries.tries IS 'How often it was sent.';
COMMENT ON COLUMN deliveries.next_at IS 'Not before then; also keeps two processes from sending it at once.';
COMMENT ON COLUMN deliveries.delivered_at IS 'When the other side confirmed it.';
COMMENT ON COLUMN deliveries.detail IS 'What the other side said last.';
