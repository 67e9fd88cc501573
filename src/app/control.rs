//! The control socket: the command line's way into the running service, so that one program alone changes the database.
//!
//! One request is one line of JSON, one answer another. Only the user who runs the service, and its group, can open it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// A spreadsheet of a hundred thousand rows fits; nothing larger is read.
const LONGEST_REQUEST: u64 = 64 * 1024 * 1024;

/// A command to be carried out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Its words, as typed, without what says where to work.
    pub arguments: Vec<String>,
    /// Who types them, for the ledger.
    pub user: String,
    /// Files that it names, by the name in `arguments`: the service may not see them.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Response {
    /// Exit code.
    pub code: u8,
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
}

/// Listens at `path`. A socket that a killed service left behind is taken away: whoever holds the database's lock, as we
/// do, is the only one.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Carries out one request after another until it is stopped.
pub async fn serve(listener: UnixListener, stop: &CancellationToken, carry_out: impl AsyncFn(Request) -> Response) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let answered = match stream {
            Ok((stream, _)) => answer(stream, &carry_out).await,
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            tracing::warn!("a command could not be taken: {error}");
        }
    }
}

async fn answer(stream: UnixStream, carry_out: &impl AsyncFn(Request) -> Response) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    BufReader::new(read).take(LONGEST_REQUEST).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(()); // somebody looked whether we are here
    }
    let response = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => carry_out(request).await,
        Err(error) => Response { code: 2, err: format!("error: not a request: {error}\n"), ..Response::default() },
    };
    let mut text = serde_json::to_vec(&response)?;
    text.push(b'\n');
    write.write_all(&text).await
}

/// Has the running service carry out a command; none where no service runs.
pub async fn ask(path: &Path, request: &Request) -> io::Result<Option<Response>> {
    let Ok(mut stream) = UnixStream::connect(path).await else { return Ok(None) };
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    let mut line = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(io::Error::other("the service ended before it answered: look whether the command was carried out"));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

/// Does a service listen there?
pub async fn is_listening(path: &Path) -> bool {
    UnixStream::connect(path).await.is_ok()
}

/// Where the socket is when the settings don't say: beside the SQLite file.
pub fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".sock");
    PathBuf::from(name)
}
