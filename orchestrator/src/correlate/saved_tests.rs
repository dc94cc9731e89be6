use super::*;
use portcullis_core::config::Rules;
use portcullis_core::{ENGINE_VERSION, Engine};
use portcullis_verifier::Slug;

fn log() -> LogName {
    let name = Slug::new("one").unwrap();
    LogName { group: name, replica: name }
}

fn rebuilt(next_seq: u64) -> Rebuilt {
    let config = EngineConfig {
        group: log().group,
        chains: Vec::new(),
        bridges: Vec::new(),
        targets: Vec::new(),
        rules: Rules::default(),
        playbooks: Vec::new(),
    };
    let engine = Some(Engine::new(config.clone()).unwrap());
    let end = LogEnd { next_seq, head: B256::repeat_byte(7) };
    let (leftover, undoable) = (Leftover::default(), Undoable::default());
    Rebuilt { engine, config: Some(config), end, leftover, undoable }
}

/// The head and the engine of a snapshot, to be changed.
fn parts(saved: &Saved) -> (Head, Vec<u8>) {
    let (length, rest) = saved.bytes.split_first_chunk::<8>().unwrap();
    let (head, engine) = rest.split_at(usize::try_from(u64::from_be_bytes(*length)).unwrap());
    (Head::try_from_slice(head).unwrap(), engine.to_vec())
}

fn joined(mut head: Head, engine: &[u8]) -> Vec<u8> {
    head.engine = snapshot_hash(engine);
    let head = borsh::to_vec(&head).unwrap();
    [u64::try_from(head.len()).unwrap().to_be_bytes().as_slice(), &head, engine].concat()
}

#[test]
fn a_snapshot_reads_back_and_another_engine_s_or_another_log_s_is_refused() {
    let saved = Saved::new(log(), rebuilt(9)).unwrap();
    let (read, hash) = Saved::read(log(), &saved.bytes).unwrap();
    assert_eq!((read.end, read.config, hash), (saved.end, rebuilt(9).config, saved.hash));

    let (head, mut engine) = parts(&saved);
    engine[1..5].copy_from_slice(&(ENGINE_VERSION - 1).to_le_bytes());
    let older = Saved::read(log(), &joined(head, &engine));
    assert!(
        matches!(older, Err(SavedError::Engine(SnapshotError::Engine { wrote })) if wrote + 1 == ENGINE_VERSION)
    );

    let other = LogName { replica: Slug::new("two").unwrap(), ..log() };
    assert!(matches!(Saved::read(other, &saved.bytes), Err(SavedError::Foreign(_))));
    let (mut head, engine) = parts(&saved);
    head.end.next_seq = 10;
    let moved = Saved::read(log(), &joined(head, &engine)).unwrap();
    assert_ne!(moved.1, saved.hash, "another place has another hash, and the log does not show it");
}

#[test]
fn every_flipped_byte_is_refused_or_is_another_hash() {
    let saved = Saved::new(log(), rebuilt(9)).unwrap();
    for at in 0..saved.bytes.len() {
        let mut bytes = saved.bytes.clone();
        bytes[at] ^= 1;
        if let Ok((_, hash)) = Saved::read(log(), &bytes) {
            assert_ne!(hash, saved.hash, "byte {at}");
        }
        assert!(Saved::read(log(), &saved.bytes[..at]).is_err(), "cut at byte {at}");
    }
}

#[test]
fn a_write_that_was_cut_off_leaves_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let before = Saved::new(log(), rebuilt(9)).unwrap();
    before.write(log(), folder).unwrap().finish().unwrap();
    let next = Saved::new(log(), rebuilt(12)).unwrap();
    let written = next.write(log(), folder).unwrap();
    assert_eq!(newest(log(), folder).unwrap().1, before.hash, "the log has not confirmed it");
    // As a disk leaves it that lost what was written.
    fs::write(folder.join("one.one.00000000000000000012.snapshot"), &next.bytes[..40]).unwrap();
    assert_eq!(newest(log(), folder).unwrap().1, before.hash);
    written.finish().unwrap();
    assert_eq!(newest(log(), folder).unwrap().1, next.hash);
    // One that was never finished goes with the next.
    drop(Saved::new(log(), rebuilt(14)).unwrap().write(log(), folder).unwrap());
    Saved::new(log(), rebuilt(15)).unwrap().write(log(), folder).unwrap().finish().unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), budget::SNAPSHOTS_KEPT);
    let other = LogName { replica: Slug::new("two").unwrap(), ..log() };
    assert!(newest(other, folder).is_none());
}
