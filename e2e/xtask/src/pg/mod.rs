//! A throw-away Postgres: its own folder, a Unix socket and no network, gone when it is dropped.

pub(crate) mod schema;
mod wire;

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use eyre::{Result, WrapErr, bail};

pub(crate) use wire::Connection;

use crate::command;
use crate::tools::postgres::Postgres;
use crate::user::{self, User};

/// How long a fresh server may take until it answers; it takes a fraction of a second when nothing is wrong.
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// The longest path of a Unix socket, in bytes, less the name that Postgres appends.
const SOCKET_FOLDER_MAX: usize = 80;

/// A running server that belongs to this process.
pub(crate) struct Cluster {
    folder: PathBuf,
    server: Child,
    programs: Postgres,
    user: Option<User>,
}

impl Cluster {
    /// Makes an empty cluster and starts it.
    ///
    /// # Errors
    /// When the folder cannot be made, a program fails (its output is in the message), or it does not answer in time.
    pub(crate) fn start(programs: &Postgres) -> Result<Self> {
        let user = if user::is_root()? { Some(user::unprivileged()) } else { None };
        let folder = new_folder(user)?;
        let result = Self::start_in(&folder, programs, user);
        if result.is_err() {
            // The reason for the failure is worth more than a left-over folder.
            let _ = fs::remove_dir_all(&folder);
        }
        result
    }

    fn start_in(folder: &Path, programs: &Postgres, user: Option<User>) -> Result<Self> {
        let data = folder.join("data");
        let mut initdb = as_user(&programs.program("initdb"), folder, user);
        initdb.arg("-D").arg(&data).args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        command::output(&mut initdb).wrap_err("a new Postgres cluster could not be made")?;

        let log = File::create(folder.join("server.log"))?;
        let mut server = as_user(&programs.program("postgres"), folder, user);
        server.arg("-D").arg(&data).arg("-k").arg(folder);
        // Nothing here outlives the command, so nothing needs to reach the disk.
        for setting in ["listen_addresses=", "fsync=off", "synchronous_commit=off", "full_page_writes=off"] {
            server.args(["-c", setting]);
        }
        let server = server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let server = server.wrap_err("Postgres could not be started")?;
        let mut cluster = Self { folder: folder.to_path_buf(), server, programs: programs.clone(), user };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let since = Instant::now();
        loop {
            let error = match self.connect("postgres") {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let ended = self.server.try_wait()?;
            if ended.is_some() || since.elapsed() > READY_WITHIN {
                let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
                return Err(error).wrap_err(format!(
                    "Postgres does not answer; its log ends:\n{}",
                    command::last_lines(&log)
                ));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Opens a connection to one of its databases.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) fn connect(&self, database: &str) -> Result<Connection> {
        Connection::open(&self.folder.join(".s.PGSQL.5432"), "postgres", database)
    }

    /// The address of one of its databases, as `DATABASE_URL` takes it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=postgres", self.folder.display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = as_user(&self.programs.program("pg_ctl"), &self.folder, self.user);
        stop.args(["stop", "-w", "-m", "immediate", "-D"]).arg(self.folder.join("data"));
        if command::output(&mut stop).is_err() {
            // Last resort: the children of a killed server end by themselves.
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A program of the server, as a user that it accepts, in a folder that this user can enter.
fn as_user(program: &Path, folder: &Path, user: Option<User>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("PGDATA").env("LC_ALL", "C").env("TZ", "UTC");
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// A new folder that only the server's user can enter.
fn new_folder(user: Option<User>) -> Result<PathBuf> {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let mut parent = env::temp_dir();
    if parent.as_os_str().len() > SOCKET_FOLDER_MAX - 40 {
        parent = PathBuf::from("/tmp");
    }
    let folder = parent.join(format!("portcullis-pg-{}-{serial}", process::id()));
    fs::create_dir(&folder).wrap_err_with(|| format!("cannot make {}", folder.display()))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    if let Some(User { uid, gid }) = user {
        chown(&folder, Some(uid), Some(gid))
            .wrap_err_with(|| format!("cannot give away {}", folder.display()))?;
    }
    if folder.as_os_str().len() > SOCKET_FOLDER_MAX {
        bail!("{} is too long for a socket; set TMPDIR to a shorter folder", folder.display());
    }
    Ok(folder)
}
