//! A Kannel of a test's own: bearerbox, smsbox and the fake SMSC's two ends, in a folder of its own, on ports of its
//! own. One end is the phones (it prints every text that arrives, answers to the other end among them); the other is
//! lent to whoever writes a text.

use super::phone::Phone;
use super::{free_ports, until};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub const BEARERBOX: &str = "/usr/sbin/bearerbox";
const SMSBOX: &str = "/usr/sbin/smsbox";
pub const FAKESMSC: &str = "/usr/lib/kannel/test/fakesmsc";
/// The number of the service.
pub const SERVICE: &str = "447700900999";
/// What stands in the address of our callbacks.
pub const SECRET: &str = "a-secret-in-the-address-0123";
pub const PASSWORD: &str = "the-password-of-sendsms";

/// How its administrator has set up what is done with inbound texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// As the head of the profile says.
    AsAdvised,
    /// Without `max-messages = 0` and `omit-empty`, as Kannel does by default.
    Defaults,
}

pub struct Kannel {
    folder: TempDir,
    admin: u16,
    boxes: u16,
    phones: u16,
    writers: u16,
    pub sendsms: u16,
    /// Where it sends callbacks to.
    pub hooks: u16,
    bearerbox: Option<Child>,
    smsbox: Option<Child>,
    pub phone: Phone,
}

impl Kannel {
    pub fn start(care: Care) -> Self {
        let [admin, boxes, phones, writers, sendsms, hooks] = free_ports();
        let folder = tempfile::tempdir().unwrap();
        let kannel = Self {
            folder,
            admin,
            boxes,
            phones,
            writers,
            sendsms,
            hooks,
            bearerbox: None,
            smsbox: None,
            phone: Phone::default(),
        };
        fs::write(kannel.path().join("kannel.conf"), kannel.configuration(care)).unwrap();
        let mut kannel = kannel;
        kannel.bring_up();
        kannel
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn configuration(&self, care: Care) -> String {
        let Self { admin, boxes, phones, writers, sendsms, hooks, .. } = self;
        let folder = self.path().display();
        let quiet = if care == Care::AsAdvised { "max-messages = 0\nomit-empty = true\n" } else { "" };
        format!(
            "group = core\nadmin-port = {admin}\nadmin-interface = 127.0.0.1\nadmin-password = admin\n\
             admin-deny-ip = \"*.*.*.*\"\nadmin-allow-ip = 127.0.0.1\nsmsbox-port = {boxes}\n\
             smsbox-interface = 127.0.0.1\nbox-deny-ip = \"*.*.*.*\"\nbox-allow-ip = 127.0.0.1\nstore-type = file\n\
             store-location = {folder}/store\ndlr-storage = internal\nlog-file = {folder}/bearerbox.log\nlog-level = 0\n\n\
             group = smsc\nsmsc = fake\nsmsc-id = phones\nallowed-smsc-id = \"phones;writers\"\nport = {phones}\n\
             connect-allow-ip = 127.0.0.1\n\n\
             group = smsc\nsmsc = fake\nsmsc-id = writers\nallowed-smsc-id = nobody\nport = {writers}\n\
             connect-allow-ip = 127.0.0.1\n\n\
             group = smsbox\nbearerbox-host = 127.0.0.1\nsendsms-port = {sendsms}\nsendsms-interface = 127.0.0.1\n\
             sendsms-chars = \"0123456789+ \"\nglobal-sender = {SERVICE}\nlog-file = {folder}/smsbox.log\nlog-level = 0\n\
             access-log = {folder}/access.log\nhttp-request-retry = 30\nhttp-queue-delay = 1\n\n\
             group = sendsms-user\nusername = ringround\npassword = {PASSWORD}\nmax-messages = 6\nconcatenation = true\n\n\
             group = sms-service\nkeyword = default\ncatch-all = true\n{quiet}\
             get-url = \"http://127.0.0.1:{hooks}/hooks/{SECRET}/inbound?id=%I&from=%p&to=%P&text=%b&charset=%C\"\n"
        )
    }

    /// Starts whatever does not run, and waits until a text would go through.
    pub fn bring_up(&mut self) {
        let configuration = self.path().join("kannel.conf");
        if self.bearerbox.is_none() {
            self.bearerbox = Some(spawn(BEARERBOX, &configuration, "bearerbox.out"));
            until("bearerbox listens", || TcpStream::connect(("127.0.0.1", self.boxes)).is_ok());
        }
        if self.smsbox.is_none() {
            self.smsbox = Some(spawn(SMSBOX, &configuration, "smsbox.out"));
            until("smsbox listens", || TcpStream::connect(("127.0.0.1", self.sendsms)).is_ok());
        }
        if !self.phone.is_connected() {
            until("bearerbox answers", || self.admin("status.txt").contains("phones[phones]"));
            self.phone.connect(self.phones);
        }
        until("the line is up", || {
            let status = self.admin("status.txt");
            status.contains("smsbox:") && status.lines().any(|l| l.contains("phones[phones]") && l.contains("(online"))
        });
    }

    /// SIGKILL; smsbox and the phones' end of the fake SMSC follow it by themselves.
    pub fn kill_bearerbox(&mut self) {
        end(&mut self.bearerbox);
        self.followers_end();
    }

    /// SIGTERM, and it ends in order.
    pub fn stop_bearerbox(&mut self) {
        self.signal_bearerbox("TERM");
        let mut child = self.bearerbox.take().unwrap();
        let ended = || matches!(child.try_wait(), Ok(Some(_)));
        until("bearerbox ends", ended);
        self.followers_end();
    }

    fn followers_end(&mut self) {
        let smsbox = self.smsbox.as_mut().unwrap();
        until("smsbox follows", || matches!(smsbox.try_wait(), Ok(Some(_))));
        self.smsbox = None;
        self.phone.disconnect();
    }

    pub fn signal_bearerbox(&self, signal: &str) {
        let pid = self.bearerbox.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    /// A command of its administrator's; what it says.
    pub fn admin(&self, command: &str) -> String {
        let sign = if command.contains('?') { '&' } else { '?' };
        get(self.admin, &format!("/{command}{sign}password=admin")).map(|(_, said)| said).unwrap_or_default()
    }

    /// Hands a text over directly, past ringround: to show what Kannel makes of what we never send.
    pub fn sendsms(&self, query: &str) -> (u16, String) {
        let path =
            format!("/cgi-bin/sendsms?username=ringround&password={PASSWORD}&smsc=phones&to=447700900001&{query}");
        get(self.sendsms, &path).unwrap()
    }

    /// Requests to send that came in, by its own book.
    pub fn requests(&self) -> usize {
        let book = fs::read(self.path().join("access.log")).unwrap_or_default();
        String::from_utf8_lossy(&book).matches("send-SMS request added").count()
    }

    /// Requests to send that came in, refused ones among them.
    pub fn all_requests(&self) -> usize {
        let book = fs::read(self.path().join("smsbox.log")).unwrap_or_default();
        String::from_utf8_lossy(&book).matches("/cgi-bin/sendsms").count()
    }

    /// A parent writes; the words as fakesmsc takes them: `text STOP`, `ucs2 %06%28`.
    pub fn write(&self, from: &str, words: &str) {
        let mut writer = Phone::default();
        writer.connect_to_write(self.writers, &format!("{from} {SERVICE} {words}"));
        writer.until_said("sent message 1");
    }
}

impl Drop for Kannel {
    fn drop(&mut self) {
        self.phone.disconnect();
        end(&mut self.smsbox);
        end(&mut self.bearerbox);
        if std::thread::panicking() {
            for name in ["bearerbox.out", "bearerbox.log", "smsbox.log", "access.log"] {
                let log = fs::read(self.path().join(name)).unwrap_or_default();
                let log = String::from_utf8_lossy(&log).into_owned();
                let from = log.lines().count().saturating_sub(40);
                eprintln!("--- {name}\n{}", log.lines().skip(from).collect::<Vec<_>>().join("\n"));
            }
            eprintln!("--- the phones\n{:#?}", self.phone.texts());
        }
    }
}

fn spawn(program: &str, configuration: &Path, out: &str) -> Child {
    let out = fs::File::create(configuration.with_file_name(out)).unwrap();
    let mut command = Command::new(program);
    command.arg(configuration).stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
    command.spawn().unwrap()
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// One GET; none where nobody answers.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(super::BOUND)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
