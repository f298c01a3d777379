//! The command line as its users and their scripts meet it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use super::error::Exit;
use super::{Cli, execute};
use crate::config::Config;
use crate::home::{Home, KeyName};

#[test]
fn definitions_are_consistent() {
    Cli::command().debug_assert();
}

/// Every command that does something, with its path.
fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
    let path = format!("{path} {}", command.get_name());
    let commands: Vec<_> = command.get_subcommands().filter(|command| command.get_name() != "help").collect();
    if commands.is_empty() {
        found.push((path.trim().to_owned(), command.clone()));
    }
    commands.into_iter().for_each(|command| leaves(command, &path, found));
}

/// The example lines of a help, which all begin with the program's name.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().map(str::trim).filter(|line| line.starts_with("subnet-node "));
    lines.map(str::to_owned).collect()
}

/// Splits as a shell does, as far as the examples need it.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_has_an_example_that_is_a_valid_command_line_of_it() {
    let mut found = Vec::new();
    leaves(&Cli::command(), "", &mut found);
    assert!(found.len() > 25, "{} commands", found.len());
    for (path, command) in found {
        let help = command.get_after_help().unwrap_or_else(|| panic!("`{path}` has no example")).to_string();
        let lines = examples(&help);
        assert!(!lines.is_empty(), "`{path}` has no example");
        for line in lines {
            assert!(line.starts_with(&path), "the example of `{path}` is one of another command: {line}");
            if let Err(error) = Cli::try_parse_from(split(&line)) {
                panic!("the example of `{path}` is wrong: {line}\n{error}");
            }
        }
    }
}

#[test]
fn every_command_and_group_says_what_it_is_for() {
    fn walk(command: &clap::Command) {
        assert!(command.get_about().is_some(), "`{}` says nothing", command.get_name());
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "`{}` of `{}`", argument.get_id(), command.get_name());
        }
        command.get_subcommands().filter(|command| command.get_name() != "help").for_each(walk);
    }
    walk(&Cli::command());
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(split(line))
}

#[test]
fn wrong_values_are_refused_with_what_would_be_right() {
    let refused = |line: &str, part: &str| {
        let text = parse(line).expect_err(line).to_string();
        assert!(text.contains(part), "{line}: {text}");
    };
    refused("subnet-node send f1abc \"1 FIL\"", "expected an address");
    refused("subnet-node send f01 1", "write \"1 FIL\"");
    refused("subnet-node send f01 \"1 ETH\"", "unknown");
    refused("subnet-node chain message abc", "CID");
    refused("subnet-node chain block -- -1", "invalid digit");
    refused("subnet-node cross status 12", "32 bytes");
    refused("subnet-node cross send --to f1abc", "SUBNET:ADDRESS");
    refused("subnet-node cross send --to /r1:f0100", "is an id");
    refused("subnet-node cross send --to r1:f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia", "expected a subnet like");
    refused("subnet-node cross send --to /r1:f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia --params 00", "--method");
    refused(&format!("subnet-node cross status {} --settled", "12".repeat(32)), "--watch");
    refused("subnet-node subnet show f2abc", "expected a subnet like");
    refused("subnet-node subnet join /r1 --stake \"1 FIL\"", "is a root");
    refused("subnet-node subnet join f01 --stake \"1 FIL\"", "robust");
    refused("subnet-node subnet create --mode anarchy", "collateral, federated or static");
    refused("subnet-node cross release \"0 FIL\"", "above zero");
    refused("subnet-node genesis new --chain-id 1", "--validator");
    refused("subnet-node keys export alice", "--reveal");
    refused("subnet-node --identity 12 chain head", "32 bytes");
    refused("subnet-node fly", "unrecognized subcommand");
}

#[test]
fn global_options_stand_before_or_after_the_command() {
    for line in ["subnet-node --json --home /x chain head", "subnet-node chain head --home /x --json"] {
        let cli = parse(line).unwrap();
        assert!(cli.global.json && cli.global.home.as_deref() == Some(Path::new("/x")), "{line}");
    }
    assert!(parse("subnet-node chain head --no-wait --wait").is_ok_and(|cli| !cli.global.no_wait));
    assert!(parse("subnet-node chain head --wait --no-wait").is_ok_and(|cli| cli.global.no_wait));
}

/// A home with a password file.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("password"), "horse\n").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs a command line in home `home`, with the password.
    fn run(&self, home: &str, line: &str) -> Result<(), super::error::CliError> {
        let global = format!("--json --home {} --password-file {}", self.path(home), self.path("password"));
        execute(parse(&format!("subnet-node {line} {global}")).unwrap())
    }

    fn home(&self, name: &str) -> Home {
        Home::new(self.folder.path().join(name))
    }
}

#[test]
fn keys_are_made_once_and_move_between_homes() {
    let place = Place::new();
    place.run("a", "keys new --devnet-kdf").unwrap();
    for name in KeyName::ALL {
        assert!(place.home("a").key(name).exists());
    }
    let again = place.run("a", "keys new --devnet-kdf").unwrap_err();
    assert!(again.message.contains("all four"), "{}", again.message);
    place.run("a", "keys new alice --scheme bls --devnet-kdf").unwrap();
    assert!(place.run("a", "keys new alice --devnet-kdf").unwrap_err().message.contains("never replaced"));
    place.run("a", "keys list").unwrap();
    place.run("a", "keys show alice").unwrap();
    assert!(place.run("a", "keys show bob").is_err());
    for name in ["../evil", "e.vil"] {
        assert_eq!(place.run("a", &format!("keys new {name} --devnet-kdf")).unwrap_err().exit, Exit::Usage);
        let line = format!("keys import {name} --devnet-kdf --file {}", place.path("password"));
        assert_eq!(place.run("a", &line).unwrap_err().exit, Exit::Usage);
    }
    assert!(!place.folder.path().join("evil").exists() && !Path::new("../evil").exists());

    let key = client::keystore::load(&place.home("a").keys().join("alice.json"), "horse").unwrap();
    let account = key.into_account(Path::new("alice")).unwrap();
    fs::write(place.path("alice.key"), client::keys::KeyInfo::export(&account).as_str()).unwrap();
    let line = format!("keys import alice --devnet-kdf --file {}", place.path("alice.key"));
    place.run("b", &line).unwrap();
    let moved = client::keystore::public_part(&place.home("b").keys().join("alice.json")).unwrap();
    assert_eq!(moved.public, subnet_types::subnet_id::display_address(&account.address()));
    assert!(place.run("b", &line.replace("import alice", "import vote")).is_err(), "an account is no vote key");
}

#[test]
fn a_generated_root_has_homes_that_agree_on_one_genesis() {
    let place = Place::new();
    let line = format!(
        "genesis new --chain-id 314 --generate 3 --homes {} --owner-balance \"5 FIL\" --devnet-kdf --timestamp-ms 1700000000000 \
         --balance \"f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za=1 FIL\" --balance \"f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za=2 FIL\"",
        place.path("nodes")
    );
    place.run("x", &line).unwrap();
    let genesis = super::genesis::load(&place.home("nodes/node-0").genesis()).unwrap();
    assert_eq!(genesis.subnet.to_string(), "/r314");
    assert_eq!(genesis.validators.len(), 3);
    let held: Vec<String> = genesis.balances.iter().map(|entry| super::genesis::fil(&entry.balance)).collect();
    assert_eq!(held.iter().filter(|held| *held == "5 FIL").count(), 3);
    assert_eq!(held.iter().filter(|held| *held == "3 FIL").count(), 1, "an account named twice holds both");
    for index in 1..3 {
        let file = fs::read(place.home(&format!("nodes/node-{index}")).genesis()).unwrap();
        assert_eq!(file, fs::read(place.home("nodes/node-0").genesis()).unwrap());
    }

    // The same genesis again, from the validators' own entries.
    let mut files = String::new();
    for index in 0..3 {
        let entry =
            super::keys::validator_entry(&place.home(&format!("nodes/node-{index}")), subnet_types::Power::new(1));
        let path = place.path(&format!("{index}.json"));
        fs::write(&path, serde_json::to_vec(&entry.unwrap()).unwrap()).unwrap();
        files = format!("{files} --validator {path}");
    }
    let line = format!(
        "genesis new --chain-id 314 {files} --owner-balance \"5 FIL\" --timestamp-ms 1700000000000 \
         --balance \"f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za=3 FIL\" --out {}",
        place.path("again.car")
    );
    place.run("x", &line).unwrap();
    assert_eq!(fs::read(place.path("again.car")).unwrap(), fs::read(place.home("nodes/node-0").genesis()).unwrap());

    let other = line.replace("--chain-id 314", "--chain-id 315");
    assert!(place.run("x", &other).unwrap_err().message.contains("other content"), "a genesis is never replaced");
    let twice = line.replace(&place.path("1.json"), &place.path("0.json")).replace("again", "twice");
    assert!(place.run("x", &twice).unwrap_err().message.contains("stands twice"));
    place.run("x", &format!("genesis show {}", place.path("again.car"))).unwrap();
}

#[test]
fn garbage_files_are_refused_by_name() {
    let place = Place::new();
    fs::write(place.path("garbage"), [0xff; 1000]).unwrap();
    let garbage = place.path("garbage");
    for line in [
        format!("genesis show {garbage}"),
        format!("genesis new --chain-id 1 --validator {garbage}"),
        format!("init --devnet-kdf --genesis {garbage}"),
        format!("keys import alice --file {garbage}"),
    ] {
        let error = place.run("x", &line).expect_err(&line);
        assert!(
            error.message.contains("garbage") || error.message.contains("standard") || error.message.contains("UTF-8"),
            "{}",
            error.message
        );
    }
    assert!(!place.home("x").config().exists(), "a failed init leaves no settings");
}

#[test]
fn init_writes_settings_that_load_and_replaces_nothing() {
    let place = Place::new();
    let root = format!("genesis new --chain-id 314 --generate 1 --homes {} --devnet-kdf", place.path("nodes"));
    place.run("x", &root).unwrap();
    let line = format!(
        "init --devnet-kdf --genesis {} --moniker alice --port-base 20000 --consensus-peer 127.0.0.1:20010 \
         --gossip-peer 127.0.0.1:20011",
        place.home("nodes/node-0").genesis().display()
    );
    place.run("b", &line).unwrap();
    let config = Config::load(&place.home("b").config()).unwrap();
    assert_eq!(
        (config.moniker.as_str(), config.consensus.listen.port(), config.rpc.listen.port()),
        ("alice", 20000, 20002)
    );
    assert_eq!(config.consensus.peers.len() + config.gossip.peers.len(), 2);
    assert_eq!(config.keys.password_file.as_deref(), Some(Path::new(&place.path("password"))));
    assert!(place.home("b").genesis().exists() && place.home("b").key(KeyName::Vote).exists());
    assert!(place.run("b", &line).unwrap_err().message.contains("exists already"));
}

#[test]
fn no_node_is_exit_code_4_with_what_to_do() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for line in ["chain head", "state supply", "subnet list", "checkpoint list", "send f01 \"1 FIL\""] {
        let error = place.run("x", &format!("{line} --rpc {url}")).expect_err(line);
        assert_eq!(error.exit, Exit::Unreachable, "{line}: {}", error.message);
        assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("--rpc")));
    }
    assert_eq!(place.run("x", "chain head --rpc nonsense").unwrap_err().exit, Exit::Usage);
}

#[test]
fn an_empty_home_does_not_run_and_the_doctor_says_why() {
    let place = Place::new();
    let error = execute(parse(&format!("subnet-node run --home {}", place.path("x"))).unwrap()).unwrap_err();
    assert!(error.hint.is_some_and(|hint| hint.contains("init")));
    let error = place.run("x", "doctor").unwrap_err();
    assert!(error.is_reported && error.exit == Exit::Failure, "{}", error.message);
}

#[test]
fn a_named_node_needs_no_readable_home() {
    let place = Place::new();
    fs::create_dir_all(place.home("x").root()).unwrap();
    fs::write(place.home("x").config(), "moniker = 7").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = place.run("x", &format!("chain head --rpc {url}")).unwrap_err();
    assert_eq!(error.exit, Exit::Unreachable, "{}", error.message);
    let error = place.run("x", "chain head").unwrap_err();
    assert!(error.exit == Exit::Failure && error.message.contains("moniker"), "{}", error.message);
}

#[test]
fn wrong_command_lines_become_errors_with_a_message_and_a_hint() {
    for (line, part) in [
        ("subnet-node fly", "unrecognized subcommand 'fly'"),
        ("subnet-node chain head --json --speed 9", "unexpected argument '--speed'"),
        ("subnet-node send --json", "required arguments"),
        ("subnet-node --json", "ends before its command"),
        ("subnet-node --json chain", "ends before its command"),
    ] {
        let error = super::error::CliError::from(parse(line).expect_err(line));
        assert_eq!(error.exit, Exit::Usage, "{line}");
        assert!(error.message.contains(part) && !error.message.starts_with("error:"), "{line}: {}", error.message);
        assert!(error.hint.is_some_and(|hint| hint.contains("--help")), "{line}");
    }
    let wants = |line: &str| super::wants_json(&split(line).into_iter().map(OsString::from).collect::<Vec<_>>());
    assert!(wants("subnet-node fly --json") && wants("subnet-node --json"));
    assert!(!wants("subnet-node fly") && !wants("subnet-node send -- --json"));
}

#[test]
fn errors_as_json_hold_message_hint_and_exit_code() {
    let error = super::error::CliError::rejected("no such thing").hint("look elsewhere");
    let json = serde_json::to_value(error.json()).unwrap();
    let expected: Value = serde_json::json!({"error": "no such thing", "hint": "look elsewhere", "exitCode": 3});
    assert_eq!(json, expected);
}

#[test]
fn help_is_no_failure_and_nonsense_is_exit_code_2() {
    let code = |line: &str| format!("{:?}", super::main(split(line).into_iter().map(OsString::from)));
    assert_eq!(code("subnet-node --help"), format!("{:?}", ExitCode::SUCCESS));
    assert_eq!(code("subnet-node --version"), format!("{:?}", ExitCode::SUCCESS));
    assert_eq!(code("subnet-node fly"), format!("{:?}", ExitCode::from(2)));
    assert_eq!(code("subnet-node fly --json"), format!("{:?}", ExitCode::from(2)));
}

/// A module that no bundle has, which the VM takes: an account's code with a section of its own.
fn own_module() -> Vec<u8> {
    let account = actor_bundle::code("account").unwrap();
    let section = [0, 4, 3, b'o', b'w', b'n'];
    [actor_bundle::blocks()[&account].as_slice(), &section].concat()
}

#[test]
fn chain_starts_with_code_of_its_own() {
    let place = Place::new();
    fs::write(place.path("own.wasm"), own_module()).unwrap();
    let bundle = place.path("bundle.car");
    place.run("a", &format!("actor bundle --add dex={} --out {bundle}", place.path("own.wasm"))).unwrap();
    place
        .run(
            "a",
            &format!(
                "genesis new --chain-id 7 --generate 1 --homes {0} --devnet-kdf --bundle {bundle}",
                place.path("n")
            ),
        )
        .unwrap();
    let bytes = fs::read(place.path("n/node-0/genesis.car")).unwrap();
    let (genesis, blocks) = fvm_exec::genesis_file::read(&bytes).unwrap();
    assert_ne!(genesis.chain.bundle, actor_bundle::manifest_cid());
    assert!(blocks.iter().any(|(_, block)| *block == own_module()), "the genesis brings the code");
}

#[test]
fn bundle_refuses_what_no_chain_could_run() {
    let place = Place::new();
    let file = place.path("own.wasm");
    let make = |name: &str, content: &[u8]| {
        fs::write(&file, content).unwrap();
        place.run("a", &format!("actor bundle --add {name}={file} --out {}", place.path("bundle.car"))).unwrap_err()
    };
    let error = make("dex", b"no wasm at all");
    assert!(error.exit == Exit::Usage && error.message.contains("dex cannot be compiled"), "{}", error.message);
    let error = make("account", &own_module());
    assert!(error.message.contains("\"account\""), "{}", error.message);
    assert!(!Path::new(&place.path("bundle.car")).exists(), "nothing is written");
}

#[test]
fn endpoint_without_supply_is_no_silent_nothing() {
    let place = Place::new();
    let error = place.run("a", "doctor --endpoint http://127.0.0.1:1").unwrap_err();
    assert!(error.exit == Exit::Usage && error.message.contains("--supply"), "{}", error.message);
}
