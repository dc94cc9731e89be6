//! A door in front of the database's socket: cut, slowed, opened again. What stands behind it goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// The door. Ends with the test.
pub struct Door {
    folder: tempfile::TempDir,
    cut: Arc<AtomicBool>,
    delay_ms: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Door {
    /// In front of the socket in a folder.
    pub fn before(socket_folder: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("pc-door-").tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let door =
            Self { folder, cut: Arc::default(), delay_ms: Arc::default(), stop: CancellationToken::new() };
        let (behind, cut, delay_ms) =
            (socket_folder.join(".s.PGSQL.5432"), Arc::clone(&door.cut), Arc::clone(&door.delay_ms));
        let stop = door.stop.clone();
        tokio::spawn(async move {
            loop {
                let near = tokio::select! {
                    near = listener.accept() => near.unwrap().0,
                    () = stop.cancelled() => return,
                };
                if cut.load(Ordering::SeqCst) {
                    continue;
                }
                tokio::spawn(connect(
                    near,
                    behind.clone(),
                    Arc::clone(&cut),
                    Arc::clone(&delay_ms),
                    stop.clone(),
                ));
            }
        });
        door
    }

    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.folder.path())
            .port(5432)
            .username("portcullis")
            .database("portcullis")
    }

    /// Breaks every connection and takes no new one.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    pub fn open(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }

    /// Every message to the database waits for so long.
    pub fn slow(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn connect(
    near: UnixStream,
    behind: PathBuf,
    cut: Arc<AtomicBool>,
    delay_ms: Arc<AtomicU64>,
    stop: CancellationToken,
) {
    let Ok(far) = UnixStream::connect(&behind).await else { return };
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    let there = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let Ok(read @ 1..) = near_in.read(&mut bytes).await else { return };
            tokio::time::sleep(Duration::from_millis(delay_ms.load(Ordering::SeqCst))).await;
            if far_out.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    let back = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let Ok(read @ 1..) = far_in.read(&mut bytes).await else { return };
            if near_out.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    let is_cut = async {
        while !cut.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
        () = is_cut => {}
        () = stop.cancelled() => {}
    }
}
