//! What adapters reported, as rows for people.

use portcullis_core::Body;
use portcullis_verifier::Observation;
use sqlx::PgConnection;

use super::convert::{json, name_of, to_i64, to_i64_capped};
use super::{LogName, Step, StoreError};

/// Inserts the observations among the steps of a log.
#[expect(clippy::as_conversions, reason = "tells the query macro an argument's type; converts nothing")]
pub(super) async fn insert_observations(
    tx: &mut PgConnection,
    log: &LogName,
    steps: &[Step],
) -> Result<(), StoreError> {
    let mut rows = ObservationRows::default();
    for step in steps {
        if let Body::Observed(observation) = &step.input.body {
            rows.push(step.record.seq, observation)?;
        }
    }
    if rows.seq.is_empty() {
        return Ok(());
    }
    let ObservationRows {
        seq,
        event_id,
        chain,
        height,
        block_hash,
        tx_hash,
        log_index,
        time_s,
        status,
        kind,
        view,
    } = rows;
    sqlx::query!(
        "INSERT INTO observations (group_id, replica, seq, event_id, chain, height, block_hash, tx_hash, log_index,
                                   time_s, status, kind, view)
         SELECT $1, $2, * FROM UNNEST($3::bigint[], $4::bytea[], $5::text[], $6::bigint[], $7::bytea[], $8::bytea[],
                                      $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::jsonb[])",
        log.group.as_str(),
        log.replica.as_str(),
        &seq,
        &event_id,
        &chain,
        &height,
        &block_hash as &[&[u8]],
        &tx_hash as &[&[u8]],
        &log_index,
        &time_s,
        &status,
        &kind,
        &view,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("observations", e))?;
    Ok(())
}

#[derive(Default)]
struct ObservationRows<'a> {
    seq: Vec<i64>,
    event_id: Vec<Vec<u8>>,
    chain: Vec<String>,
    height: Vec<i64>,
    block_hash: Vec<&'a [u8]>,
    tx_hash: Vec<&'a [u8]>,
    log_index: Vec<i64>,
    time_s: Vec<i64>,
    status: Vec<String>,
    kind: Vec<String>,
    view: Vec<serde_json::Value>,
}

impl<'a> ObservationRows<'a> {
    // Heights and times are what an endpoint said: a lying one must not stop the commit by their size.
    fn push(&mut self, seq: u64, observation: &'a Observation) -> Result<(), StoreError> {
        let position = observation.position();
        self.seq.push(to_i64("a sequence number", seq)?);
        self.event_id.push(observation.id().0.to_vec());
        self.chain.push(observation.chain().to_string());
        self.height.push(to_i64_capped(position.height));
        self.block_hash.push(position.block_hash.as_slice());
        self.tx_hash.push(position.tx_hash.as_slice());
        self.log_index.push(i64::from(position.log_index));
        self.time_s.push(to_i64_capped(observation.time()));
        self.status.push(name_of(&observation.status()));
        self.kind.push(name_of(observation.event()));
        self.view.push(json(observation.event()));
        Ok(())
    }
}
