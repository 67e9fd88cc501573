//! The control socket: the command line's way into the running service, so that one program alone changes the database.
//!
//! One request is one line of JSON, one answer another. Only the user who runs the service, and its group, can open it.

use crate::store::Place;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Two hundred rows of a spreadsheet fit, and any campaign; nothing larger is read.
const LONGEST_REQUEST: u64 = 4 * 1024 * 1024;
/// Whoever connects says within this time what is to be done.
const SAY_WITHIN: Duration = Duration::from_secs(10);

/// A command to be carried out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Its words, as typed.
    pub arguments: Vec<String>,
    /// The database that it is meant for: see [`identity`].
    pub database: String,
    /// Who types them, for the ledger.
    pub user: String,
    /// Files that it names, by the name in `arguments`: the service may not see them.
    #[serde(with = "in_base64")]
    pub files: BTreeMap<String, Vec<u8>>,
}

mod in_base64 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use std::collections::BTreeMap;

    pub fn serialize<S: Serializer>(files: &BTreeMap<String, Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        let encoded = files.iter().map(|(name, bytes)| (name, STANDARD.encode(bytes)));
        encoded.collect::<BTreeMap<_, _>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
        let encoded = BTreeMap::<String, String>::deserialize(from)?;
        let decoded =
            encoded.into_iter().map(|(name, text)| Ok((name, STANDARD.decode(text).map_err(D::Error::custom)?)));
        decoded.collect()
    }
}

/// One name for one database, wherever one stands.
pub fn identity(place: &Place) -> String {
    let file = place.file().and_then(|file| file.canonicalize().ok());
    file.map_or_else(|| place.shown(), |file| file.display().to_string())
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

/// Carries out requests until it is stopped; a slow one keeps nobody waiting, and neither does somebody who connects and
/// says nothing.
pub async fn serve(listener: UnixListener, stop: &CancellationToken, carry_out: impl AsyncFn(Request) -> Response) {
    let mut answers = FuturesUnordered::new();
    loop {
        let done = tokio::select! {
            accepted = listener.accept() => accepted.map(|(stream, _)| answers.push(answer(stream, &carry_out))),
            Some(answered) = answers.next() => answered,
            () = stop.cancelled() => return,
        };
        if let Err(error) = done {
            tracing::warn!("a command could not be taken: {error}");
        }
    }
}

async fn answer(stream: UnixStream, carry_out: &impl AsyncFn(Request) -> Response) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    timeout(SAY_WITHIN, BufReader::new(read).take(LONGEST_REQUEST).read_until(b'\n', &mut line)).await??;
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
    let Some(mut stream) = connect(path).await? else { return Ok(None) };
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    if text.len() as u64 > LONGEST_REQUEST {
        return Err(io::Error::other("the file is too large for a running service: 3 MB at most"));
    }
    stream.write_all(&text).await?;
    let mut line = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(io::Error::other("the service ended before it answered: look whether the command was carried out"));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

/// Does a service listen there? An error where that can't be known.
pub async fn is_listening(path: &Path) -> io::Result<bool> {
    Ok(connect(path).await?.is_some())
}

async fn connect(path: &Path) -> io::Result<Option<UnixStream>> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where the socket is when the settings don't say: beside the SQLite file.
pub fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".sock");
    PathBuf::from(name)
}
