//! The record copied while the service works on it, brought back elsewhere, and gone on with; schemas of other times.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use portcullis::backup::{self, BackupError, Manifest, check};
use portcullis::store::schema::{Schema, newest};
use portcullis::store::{Store, StoreError};
use portcullis_core::Body;
use portcullis_core::log::decode_input;
use support::harness::{
    Service, assert_replays, assert_rows_cover_bytes, both_effective, data_dir, incident, mine_until, over,
    running,
};
use support::world::{away, home};
use support::{Database, log_name, until};

/// Events that the log holds, with how often.
async fn logged(store: &Store) -> Vec<portcullis_verifier::EventId> {
    let records = store.log_records(&log_name()).await.unwrap();
    let body = |encoded: &[u8]| decode_input(encoded).unwrap().1.body;
    let observed = |record: &portcullis::store::LogRecord| match body(&record.encoded) {
        Body::Observed(observation) => Some(observation.id()),
        _ => None,
    };
    records.iter().filter_map(observed).collect()
}

async fn export(store: &Store, folder: &Path) -> Manifest {
    backup::export(store, folder, &mut |_| ()).await.unwrap()
}

async fn import(store: &Store, folder: &Path) -> Result<Manifest, BackupError> {
    backup::import(store, folder, &mut |_| ()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_service_is_restored_and_gone_on_with_without_a_gap() {
    let (database, world, service) = running().await;
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    // Traffic goes on while the backup is made.
    let busy = tokio::spawn({
        let world = world.clone();
        async move {
            for n in 100..200 {
                world.burn(n, 10);
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
    });
    let folder = database.folder.path().join("backup");
    let manifest = export(&database.store, &folder).await;
    busy.await.unwrap();
    let log = &manifest.logs[0];
    assert!(log.records > 10, "{log:?}");
    let after = database.store.log_records(&log_name()).await.unwrap();
    assert_eq!(after[usize::try_from(log.records).unwrap() - 1].head, log.head, "a prefix of the log");
    service.end().await;

    let restored = Database::empty().await;
    assert_eq!(import(&restored.store, &folder).await.unwrap(), manifest);
    assert_replays(&restored.store).await;
    let (then, now) =
        (database.store.incident(id).await.unwrap(), restored.store.incident(id).await.unwrap());
    assert_eq!(then.len(), now.len());
    assert_rows_cover_bytes(&restored.store, &world).await;

    // What came since the backup is caught up with: every event of the chains, and none twice.
    let sent = world.received().len();
    let service = Service::start(&world, restored.cluster().connect_options(), data_dir(&restored));
    service.running().await;
    let wanted = world.events();
    until("every event is in the log", || async {
        let found: BTreeSet<_> = logged(&restored.store).await.into_iter().collect();
        wanted.is_subset(&found)
    })
    .await;
    let found = logged(&restored.store).await;
    assert_eq!(found.len(), found.iter().collect::<BTreeSet<_>>().len(), "no event twice");
    until("views follow", || async {
        restored.store.views_end(&log_name()).await.unwrap()
            == restored.store.open_log(&log_name()).await.unwrap().next_seq
    })
    .await;
    service.end().await;
    assert_eq!(world.received().len(), sent, "what is in effect is not sent again");
    assert_replays(&restored.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_cut_or_unfinished_backup_is_refused() {
    let (database, world, service) = running().await;
    world.burn(1, 10);
    until("something is logged", || async { logged(&database.store).await.len() == 1 }).await;
    service.end().await;
    let folder = database.folder.path().join("backup");
    let manifest = export(&database.store, &folder).await;
    let whole = |folder: &Path| check::check(folder, &mut |_| ());
    assert_eq!(whole(&folder).unwrap().manifest, manifest);
    let again = backup::export(&database.store, &folder, &mut |_| ()).await;
    assert!(matches!(again, Err(BackupError::Occupied { .. })), "{again:?}");

    for table in manifest.tables.iter().filter(|table| table.rows > 0) {
        let path = table.file(&folder);
        let bytes = std::fs::read(&path).unwrap();
        for place in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            let refused = whole(&folder).unwrap_err();
            assert_eq!(refused.code(), "PC-0256", "{} at {place}: {refused}", table.name);
        }
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(whole(&folder).unwrap_err().code(), "PC-0256", "{} cut", table.name);
        std::fs::write(&path, &bytes).unwrap();
    }
    let path = folder.join(backup::MANIFEST);
    let text = std::fs::read_to_string(&path).unwrap();
    let head = manifest.logs[0].head.to_string();
    std::fs::write(&path, text.replace(&head, &format!("0x{}", "11".repeat(32)))).unwrap();
    assert_eq!(whole(&folder).unwrap_err().code(), "PC-0256", "another end of the log");
    std::fs::write(&path, text.replace("\"input_log\"", "\"../input_log\"")).unwrap();
    assert_eq!(whole(&folder).unwrap_err().code(), "PC-0256", "a name that is a path");
    let version = format!("\"schema_version\": {}", newest());
    std::fs::write(&path, text.replace(&version, "\"schema_version\": 9000")).unwrap();
    let empty = Database::empty().await;
    assert_eq!(import(&empty.store, &folder).await.unwrap_err().code(), "PC-0258");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(whole(&folder).unwrap_err().code(), "PC-0255", "without a manifest it was never finished");
    std::fs::write(&path, &text).unwrap();

    let refused = import(&database.store, &folder).await.unwrap_err();
    assert_eq!(refused.code(), "PC-0257", "{refused}");
    import(&empty.store, &folder).await.unwrap();
    assert_replays(&empty.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_another_time_is_refused_with_the_way_out() {
    let database = Database::empty().await;
    let store = &database.store;
    assert_eq!(store.schema().await.unwrap(), Schema::Empty);
    store.migrate_to(newest() - 1).await.unwrap();
    let refused = store.require_schema().await.unwrap_err();
    assert!(matches!(refused, StoreError::SchemaOlder { .. }), "{refused}");
    assert!(refused.to_string().contains("portcullis migrate"), "{refused}");
    let (one, other) = tokio::join!(store.migrate(), store.migrate());
    one.and(other).unwrap();
    store.require_schema().await.unwrap();

    newer(&database).await;
    let refused = store.require_schema().await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, StoreError::SchemaNewer { .. }) && text.contains("portcullis 9.8.7"), "{text}");
    assert_eq!(store.migrate().await.unwrap_err().code(), "PC-0253", "nor is it migrated");
}

/// What the next version of the program would do to the database.
async fn newer(database: &Database) {
    let sql = "ALTER TABLE incidents ADD COLUMN since_then text NOT NULL DEFAULT '';
               CREATE TABLE since_then (x bigint);
               INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
               VALUES (9000, 'since then', true, '', 0);
               INSERT INTO schema_history (version, program) VALUES (9000, '9.8.7');";
    database.execute(sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_brought_up_to_date_under_a_running_service() {
    let (database, world, service) = running().await;
    world.burn(1, 10);
    newer(&database).await;
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    over(service, &database).await;
}
