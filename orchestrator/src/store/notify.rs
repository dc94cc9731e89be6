//! Messages to people, and who has confirmed which.

use std::time::Duration;

use portcullis_verifier::Slug;
use sqlx::PgConnection;

use super::convert::{clean, to_i64, to_u64, unreadable};
use super::{LogName, Step, Store, StoreError, ensure_one_row};
use crate::budget;
use crate::notify::{Message, Severity, messages};

/// A message that is due to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its row.
    pub id: i64,
    /// What is sent.
    pub message: Message,
    /// How often it was sent before.
    pub tries: u32,
}

impl Store {
    /// Makes the table of webhooks that of the configuration.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn register_webhooks(&self, webhooks: &[(Slug, Severity)]) -> Result<(), StoreError> {
        let ids: Vec<String> = webhooks.iter().map(|(id, _)| id.to_string()).collect();
        let least: Vec<String> = webhooks.iter().map(|(_, least)| least.as_str().to_owned()).collect();
        sqlx::query!(
            "WITH gone AS (DELETE FROM webhooks WHERE id <> ALL($1::text[]))
             INSERT INTO webhooks (id, least) SELECT * FROM UNNEST($1::text[], $2::text[])
             ON CONFLICT (id) DO UPDATE SET least = excluded.least, at = now()",
            &ids,
            &least,
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("webhooks", e))?;
        Ok(())
    }

    /// Stores a message of the service about itself; said before, it changes nothing.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn put_message(&self, message: &Message) -> Result<(), StoreError> {
        let mut tx = self.lazy_transaction().await?;
        insert_message(&mut tx, message).await?;
        tx.commit().await.map_err(|e| StoreError::from_driver("a commit", e))
    }

    /// Takes messages that are due to a webhook, oldest first. Nobody else is given them for as long as sending all of
    /// them can take; should this process end, they are due again after that.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn claim_deliveries(&self, webhook: Slug) -> Result<Vec<Due>, StoreError> {
        let rows = sqlx::query!(
            "WITH due AS (
                 SELECT notification FROM deliveries
                 WHERE webhook = $1 AND delivered_at IS NULL AND next_at <= clock_timestamp()
                 ORDER BY notification LIMIT $2 FOR UPDATE SKIP LOCKED
             ), claimed AS (
                 UPDATE deliveries d SET next_at = clock_timestamp() + make_interval(secs => $3), tries = d.tries + 1
                 FROM due WHERE d.webhook = $1 AND d.notification = due.notification
                 RETURNING d.notification, d.tries
             )
             SELECT n.id, n.key, n.severity, n.body, n.at_ms, claimed.tries
             FROM claimed JOIN notifications n ON n.id = claimed.notification ORDER BY n.id",
            webhook.as_str(),
            budget::NOTIFY_AT_ONCE,
            budget::NOTIFY_CLAIM.as_secs_f64(),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("deliveries", e))?;
        let due = rows.into_iter().map(|row| {
            let severity = match row.severity.as_str() {
                "page" => Severity::Page,
                "notify" => Severity::Notify,
                other => return Err(unreadable("a severity", other)),
            };
            let at_ms = to_u64("a time", row.at_ms)?;
            let message = Message { key: row.key, severity, body: row.body, at_ms };
            let tries = u32::try_from(row.tries).unwrap_or_default().saturating_sub(1);
            Ok(Due { id: row.id, message, tries })
        });
        due.collect()
    }

    /// The other side has confirmed a message.
    ///
    /// # Errors
    /// As the database gives them; then it is sent again, with the same key.
    pub async fn delivered(&self, id: i64, webhook: Slug) -> Result<(), StoreError> {
        let updated = sqlx::query!(
            "UPDATE deliveries SET delivered_at = now(), detail = '' WHERE notification = $1 AND webhook = $2",
            id,
            webhook.as_str(),
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("a delivery", e))?;
        ensure_one_row("a delivery", &updated)
    }

    /// The other side has not: it is due again after a pause.
    ///
    /// # Errors
    /// As the database gives them; then it is due again when the claim runs out.
    pub async fn not_delivered(
        &self,
        id: i64,
        webhook: Slug,
        pause: Duration,
        detail: &str,
    ) -> Result<(), StoreError> {
        let updated = sqlx::query!(
            "UPDATE deliveries SET next_at = clock_timestamp() + make_interval(secs => $3), detail = $4
             WHERE notification = $1 AND webhook = $2",
            id,
            webhook.as_str(),
            pause.as_secs_f64(),
            clean(detail),
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("a delivery", e))?;
        ensure_one_row("a delivery", &updated)
    }

    /// How many messages somebody has not confirmed yet.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn undelivered(&self) -> Result<u64, StoreError> {
        let count = sqlx::query_scalar!("SELECT count(*) FROM deliveries WHERE delivered_at IS NULL")
            .fetch_one(&self.general)
            .await
            .map_err(|e| StoreError::from_driver("deliveries", e))?;
        to_u64("a count", count.unwrap_or_default())
    }
}

/// Stores what people are told of a step, one delivery for each who wants to hear it.
pub(super) async fn insert_messages(
    tx: &mut PgConnection,
    log: &LogName,
    step: &Step,
) -> Result<(), StoreError> {
    for message in messages(log, step) {
        insert_message(tx, &message).await?;
    }
    Ok(())
}

async fn insert_message(tx: &mut PgConnection, message: &Message) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH made AS (
             INSERT INTO notifications (key, severity, body, at_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (key) DO NOTHING RETURNING id
         )
         INSERT INTO deliveries (notification, webhook)
         SELECT made.id, w.id FROM made CROSS JOIN webhooks w WHERE w.least = 'notify' OR $2 = 'page'",
        message.key,
        message.severity.as_str(),
        message.body,
        to_i64("a time", message.at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("a message", e))?;
    Ok(())
}
