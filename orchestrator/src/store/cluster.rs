//! A private Postgres in the data directory, for those who name no other.
//!
//! It listens on a Unix socket in a folder that only its user can enter, on no network. It outlives a killed service:
//! the next start takes it over. A server that ended by itself is started again.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use portcullis_verifier::keccak256;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Time that a server may take until it answers: a crashed one reads its log first.
const READY: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Pause before a server that ended is started again.
const RESTART: Duration = Duration::from_millis(500);
/// For so long a server that ends while it starts is started again; after that it has a reason that stays.
const RETRIED: Duration = Duration::from_secs(10);
/// Longest path of a socket's folder, bytes: the kernel takes 108 for the whole path.
const SOCKET_FOLDER_BYTES: usize = 85;
const DATABASE: &str = "portcullis";
const USER: &str = "portcullis";

/// Why there is no private server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No binaries.
    #[error(
        "PC-0211: no Postgres found: neither in PORTCULLIS_POSTGRES_BIN, nor on PATH, nor in /usr/lib/postgresql; \
         install it (Debian: apt install postgresql), or name a server in DATABASE_URL"
    )]
    NoBinaries,
    /// A file or folder.
    #[error("PC-0212: {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("PC-0213: {program} failed: {output}")]
    Program {
        /// Which.
        program: String,
        /// The end of what it said.
        output: String,
    },
    /// The server does not answer.
    #[error("PC-0214: the private Postgres does not answer after {} s; its log is {}", READY.as_secs(), log.display())]
    NotReady {
        /// Where its log lies.
        log: PathBuf,
        /// What connecting gave last.
        #[source]
        source: sqlx::Error,
    },
}

impl ClusterError {
    /// The code under which the documentation explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoBinaries => "PC-0211",
            Self::Io { .. } => "PC-0212",
            Self::Program { .. } => "PC-0213",
            Self::NotReady { .. } => "PC-0214",
        }
    }
}

/// A numeric user with its main group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

/// Where everything of one cluster lies.
#[derive(Debug, Clone)]
struct Place {
    programs: PathBuf,
    data: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    user: Option<User>,
}

/// A running private server. [`Cluster::stop`] ends it; dropping this leaves it to the next start.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    stop: CancellationToken,
    keeper: JoinHandle<()>,
    taken_over: bool,
}

impl Cluster {
    /// Makes the cluster where there is none, starts or takes over its server, and keeps it running.
    ///
    /// `folder` belongs to this cluster alone; it is made when it is not there.
    ///
    /// # Errors
    /// When binaries are missing, the folder cannot be used, or the server does not come up.
    pub async fn start(folder: &Path) -> Result<Self, ClusterError> {
        let place = Place::prepare(folder, find_programs()?)?;
        if !place.data.join("PG_VERSION").exists() {
            initialise(&place).await?;
        }
        let mut child = if place.answers().await.is_ok() {
            tracing::info!(folder = %folder.display(), "took over the private Postgres of an earlier run");
            None
        } else {
            Some(launch(&place)?)
        };
        wait_until_ready(&place, &mut child).await?;
        // Ours ended and one answers: somebody else started it at the same moment.
        let child = child.and_then(|mut ours| matches!(ours.try_wait(), Ok(None)).then_some(ours));
        let taken_over = child.is_none();
        make_database(&place).await?;
        let stop = CancellationToken::new();
        let keeper = tokio::spawn(keep(place.clone(), child, stop.clone()));
        Ok(Self { place, stop, keeper, taken_over })
    }

    /// Whether its server was running before: then somebody else may be using it.
    #[must_use]
    pub fn taken_over(&self) -> bool {
        self.taken_over
    }

    /// How to connect to it.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        self.place.options(DATABASE)
    }

    /// The folder of its socket: `psql -h <folder> -U portcullis portcullis` connects.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        &self.place.socket
    }

    /// Leaves the server running and watches it no longer: the next start takes it over.
    pub fn abandon(self) {
        self.stop.cancel();
    }

    /// Ends the server and waits for it.
    ///
    /// # Errors
    /// When it cannot be told to; then it goes on, and the next start takes it over.
    pub async fn stop(self) -> Result<(), ClusterError> {
        self.stop.cancel();
        // The keeper watches the process; it must not start it again while it ends.
        let _ended = self.keeper.await;
        let mut stop = self.place.command("pg_ctl");
        stop.args(["stop", "-w", "-m", "fast", "-t", "30", "-D"]).arg(&self.place.data);
        run(stop, "pg_ctl stop").await
    }
}

impl Place {
    fn prepare(folder: &Path, programs: PathBuf) -> Result<Self, ClusterError> {
        make_folder(folder)?;
        let folder = fs::canonicalize(folder).map_err(|source| fail("cannot resolve", folder, source))?;
        let user = if owner_of_new_file(&folder)? == 0 { Some(unprivileged()) } else { None };
        let mut socket = folder.join("socket");
        if socket.as_os_str().len() > SOCKET_FOLDER_BYTES {
            let name = keccak256(folder.as_os_str().as_encoded_bytes());
            let short: String = name.to_string().chars().skip(2).take(16).collect();
            socket = std::env::temp_dir().join(format!("portcullis-{short}"));
        }
        for path in [&folder, &socket] {
            make_folder(path)?;
            hand_over(path, user)?;
        }
        if let Some(user) = user {
            reachable(&folder, user)?;
        }
        let (data, log) = (folder.join("data"), folder.join("postgres.log"));
        Ok(Self { programs, data, socket, log, user })
    }

    /// A program of the server, as a user that it accepts.
    fn command(&self, program: &str) -> Command {
        let mut command = std::process::Command::new(self.programs.join(program));
        command.current_dir(&self.socket).env_remove("PGDATA").env("LC_ALL", "C").env("TZ", "UTC");
        // An interrupt at the terminal is for the service, which then ends the server in its own order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        if let Some(User { uid, gid }) = self.user {
            std::os::unix::process::CommandExt::gid(&mut command, gid);
            std::os::unix::process::CommandExt::uid(&mut command, uid);
        }
        command.stdin(Stdio::null());
        Command::from(command)
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket)
            .port(5432)
            .username(USER)
            .database(database)
    }

    async fn answers(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.options("postgres")).await
    }
}

/// Keeps the server running until told otherwise.
async fn keep(place: Place, mut child: Option<Child>, stop: CancellationToken) {
    loop {
        let ended = async {
            match child.as_mut() {
                Some(process) => drop(process.wait().await),
                // Taken over from an earlier run: not our child, so it can only be asked.
                None => {
                    while place.answers().await.is_ok() {
                        tokio::time::sleep(RESTART).await;
                    }
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = ended => {}
        }
        tracing::error!(code = "PC-0215", log = %place.log.display(), "the private Postgres ended; starting it again");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RESTART) => {}
        }
        child = match launch(&place) {
            Ok(process) => Some(process),
            Err(error) => {
                tracing::error!(code = error.code(), %error, "the private Postgres could not be started");
                None
            }
        };
    }
}

/// Makes the cluster beside its place and moves it there, so that half a cluster never lies in it.
async fn initialise(place: &Place) -> Result<(), ClusterError> {
    let fresh = place.data.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(|source| fail("cannot remove", &fresh, source))?;
    }
    make_folder(&fresh)?;
    hand_over(&fresh, place.user)?;
    let mut initdb = place.command("initdb");
    initdb.arg("-D").arg(&fresh).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C"]);
    run(initdb, "initdb").await?;
    fs::rename(&fresh, &place.data)
        .map_err(|source| fail("cannot move the new cluster to", &place.data, source))
}

fn launch(place: &Place) -> Result<Child, ClusterError> {
    forget_stale_pid(place);
    let log = fs::OpenOptions::new().create(true).append(true).open(&place.log);
    let log = log.map_err(|source| fail("cannot open", &place.log, source))?;
    let errors = log.try_clone().map_err(|source| fail("cannot open", &place.log, source))?;
    let mut server = place.command("postgres");
    server.arg("-D").arg(&place.data).arg("-k").arg(&place.socket);
    for setting in ["listen_addresses=", "port=5432", "max_connections=50", "unix_socket_permissions=0700"] {
        server.args(["-c", setting]);
    }
    server.stdout(log).stderr(errors);
    server.spawn().map_err(|source| fail("cannot start", &place.programs.join("postgres"), source))
}

/// A server that was killed leaves its pid behind, in its data and beside its socket. When that number now belongs to
/// something else, or to a process that nobody has buried yet, Postgres would refuse to start.
fn forget_stale_pid(place: &Place) {
    for file in [place.data.join("postmaster.pid"), place.socket.join(".s.PGSQL.5432.lock")] {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok()) else {
            continue;
        };
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if !command_line.windows(8).any(|part| part == b"postgres") {
            // Should it fail, the server says so in its log and the start fails with that.
            let _removed = fs::remove_file(&file);
        }
    }
}

/// Waits until the server answers. One that ends at once is started again for a while: what is left of a server that
/// was killed a moment ago may still hold its memory or its lock.
async fn wait_until_ready(place: &Place, child: &mut Option<Child>) -> Result<(), ClusterError> {
    let not_ready = |source| ClusterError::NotReady { log: place.log.clone(), source };
    let since = Instant::now();
    let polls = async {
        loop {
            let error = match place.answers().await {
                Ok(connection) => return connection.close().await.map_err(not_ready),
                Err(error) => error,
            };
            // One that was taken over and is gone now was about to end.
            let ended = child.as_mut().is_none_or(|process| matches!(process.try_wait(), Ok(Some(_))));
            if ended && since.elapsed() > RETRIED {
                return Err(not_ready(error));
            }
            if ended {
                tracing::warn!(log = %place.log.display(), "the private Postgres ended as it started; trying again");
                tokio::time::sleep(RESTART).await;
                *child = Some(launch(place)?);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let late = |_elapsed| Err(not_ready(sqlx::Error::Io(io::ErrorKind::TimedOut.into())));
    tokio::time::timeout(READY, polls).await.unwrap_or_else(late)
}

async fn make_database(place: &Place) -> Result<(), ClusterError> {
    let not_ready = |source| ClusterError::NotReady { log: place.log.clone(), source };
    let mut connection = place.answers().await.map_err(not_ready)?;
    let there = sqlx::query_scalar!("SELECT count(*) FROM pg_database WHERE datname = $1", DATABASE)
        .fetch_one(&mut connection)
        .await
        .map_err(not_ready)?;
    if there == Some(0) {
        sqlx::query("CREATE DATABASE portcullis").execute(&mut connection).await.map_err(not_ready)?;
    }
    connection.close().await.map_err(not_ready)
}

async fn run(mut command: Command, program: &str) -> Result<(), ClusterError> {
    let failed = |output: String| ClusterError::Program { program: program.to_owned(), output };
    let output = command.output().await.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    Err(failed(lines.into_iter().rev().collect::<Vec<_>>().join("; ")))
}

/// Folders in which the three programs may lie, in the order of preference.
fn find_programs() -> Result<PathBuf, ClusterError> {
    let mut folders = Vec::new();
    folders.extend(std::env::var_os("PORTCULLIS_POSTGRES_BIN").map(PathBuf::from));
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    folders.extend(versions.into_iter().map(|(_, folder)| folder));
    let complete =
        |folder: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|p| folder.join(p).is_file());
    folders.into_iter().find(complete).ok_or(ClusterError::NoBinaries)
}

fn fail(what: &'static str, path: &Path, source: io::Error) -> ClusterError {
    ClusterError::Io { what, path: path.to_path_buf(), source }
}

fn make_folder(path: &Path) -> Result<(), ClusterError> {
    fs::create_dir_all(path).map_err(|source| fail("cannot make the folder", path, source))
}

/// SECURITY: the socket trusts whoever reaches it, so only the server's user (and root) may.
fn hand_over(path: &Path, user: Option<User>) -> Result<(), ClusterError> {
    if let Some(User { uid, gid }) = user {
        chown(path, Some(uid), Some(gid))
            .map_err(|source| fail("cannot give to the database's user", path, source))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(|source| fail("cannot close to others", path, source))
}

/// As whom this process makes files: asked of a file, since the standard library has no call for it.
fn owner_of_new_file(folder: &Path) -> Result<u32, ClusterError> {
    let owner = tempfile::tempfile_in(folder).and_then(|file| file.metadata()).map(|meta| meta.uid());
    owner.map_err(|source| fail("cannot write in", folder, source))
}

/// The database refuses to run as root; a folder below one that its user cannot enter would fail later and darker.
fn reachable(folder: &Path, user: User) -> Result<(), ClusterError> {
    for above in folder.ancestors().skip(1) {
        let meta = fs::metadata(above).map_err(|source| fail("cannot look at", above, source))?;
        let open = meta.uid() == user.uid || meta.mode() & 0o001 != 0;
        if !open {
            let source = io::Error::new(
                io::ErrorKind::PermissionDenied,
                "Postgres does not run as root, and the user that it runs as cannot enter this folder; \
                 choose a data directory elsewhere, or open the folder to others (chmod o+x)",
            );
            return Err(fail("the database cannot enter", above, source));
        }
    }
    Ok(())
}

/// The user that runs the server for root: the system's own `postgres`, else `nobody`.
fn unprivileged() -> User {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    find_user(&passwd, "postgres")
        .or_else(|| find_user(&passwd, "nobody"))
        .unwrap_or(User { uid: 65_534, gid: 65_534 })
}

/// Looks a name up in text of the form of `/etc/passwd`; root under another name is not an answer.
fn find_user(passwd: &str, name: &str) -> Option<User> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = line.split(':').skip(2);
    let user = User { uid: numbers.next()?.parse().ok()?, gid: numbers.next()?.parse().ok()? };
    (user.uid != 0).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name_and_root_never() {
        let passwd = "root:x:0:0:r:/:/x\nnobody:x:65534:65533:n:/:/x\ntoor:x:0:0::/:/x\n";
        assert_eq!(find_user(passwd, "nobody"), Some(User { uid: 65_534, gid: 65_533 }));
        assert_eq!(find_user(passwd, "nob"), None);
        assert_eq!(find_user(passwd, "toor"), None);
    }
}
