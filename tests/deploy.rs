//! What stands in `deploy/` and in the install page holds together: names, paths, ports, and the unit's bounds.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

const UNIT: &str = include_str!("../deploy/ringround.service");
const SETTINGS: &str = include_str!("../deploy/ringround.toml");
const KANNEL: &str = include_str!("../deploy/kannel.conf");
const INSTALL: &str = include_str!("../docs/install.md");

/// `key=value` lines; of a key that stands twice, the last.
fn keys(unit: &str) -> BTreeMap<&str, &str> {
    unit.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect()
}

#[test]
fn the_unit_keeps_its_promises() {
    let unit = keys(UNIT);
    for (key, value) in [
        ("Type", "notify"),
        ("User", "ringround"),
        ("Restart", "always"),
        ("RestartPreventExitStatus", "78"),
        ("StartLimitIntervalSec", "0"),
        ("WatchdogSec", "30"),
        ("MemoryMax", "256M"),
        ("UMask", "0077"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
    ] {
        assert_eq!(unit.get(key), Some(&value), "{key}");
    }
    // A stop waits for the requests on the wire: see gateway::http for how long one may take.
    assert!(unit["TimeoutStopSec"].parse::<u64>().unwrap() >= 45);
}

#[test]
fn the_service_is_hardly_exposed() {
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).output();
    let Ok(output) = analyze(&["security", "--offline=true", "--threshold=15", "deploy/ringround.service"]) else {
        eprintln!("SKIPPED: systemd-analyze is not installed here");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Overall exposure level"), "{said}");
}

#[test]
fn the_settings_the_secrets_and_the_ports_fit_together() {
    let mut loaded: Vec<&str> = UNIT.lines().filter_map(|l| l.strip_prefix("LoadCredential=")).collect();
    loaded.sort_unstable();
    let names: Vec<&str> = loaded.iter().map(|l| l.split(':').next().unwrap()).collect();
    assert_eq!(names, ["gateway-callback", "gateway-password", "suppression-key"]);
    for line in loaded {
        let (name, path) = line.split_once(':').unwrap();
        assert!(SETTINGS.contains(&format!("{{ credential = \"{name}\" }}")), "{name}");
        assert_eq!(path, format!("/etc/ringround/secrets/{name}"));
        assert!(INSTALL.contains(name), "the install page makes {name}");
    }
    let listen = "127.0.0.1:8711";
    for (file, text) in [
        ("ringround.toml", SETTINGS),
        ("kannel.conf", KANNEL),
        ("Caddyfile", include_str!("../deploy/Caddyfile")),
        ("nginx.conf", include_str!("../deploy/nginx.conf")),
    ] {
        assert!(text.contains(listen) && text.contains("/hooks"), "{file}");
    }
    let profile = include_str!("../config/gateways/kannel.toml");
    for line in ["max-messages = 0", "omit-empty = true", "concatenation = true", "max-messages = 6"] {
        assert!(KANNEL.lines().any(|l| l == line), "{line}");
        assert!(profile.contains(line.split(" = ").next().unwrap()), "the profile's head asks for it: {line}");
    }
}

#[test]
fn the_settings_of_the_install_page_are_sound() {
    for arguments in [&["check"][..], &["gateway", "check", "kannel"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringround"));
        command.env_remove("RINGROUND_CONFIG").args(["--config", "deploy/ringround.toml"]).args(arguments);
        let output = command.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    }
}

#[test]
fn the_install_page_names_files_that_are_there() {
    for name in ["ringround.sysusers", "ringround.tmpfiles", "ringround.toml", "ringround.service", "kannel.conf"] {
        assert!(INSTALL.contains(&format!("deploy/{name}")), "{name}");
        assert!(std::path::Path::new("deploy").join(name).exists(), "{name}");
    }
}
