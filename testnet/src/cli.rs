//! The node's command line, called as a person calls it, with its JSON read back.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, bail};
use client::keys::AccountKey;
use client::keystore;
use fvm_shared::address::Address;
use serde::de::DeserializeOwned;
use serde_json::Value;
use subnet_types::subnet_id::parse_address;

use crate::process::end_with_launcher;

/// Environment variable from which the command line and the node take the password of keys.
pub const PASSWORD_VARIABLE: &str = keystore::PASSWORD_VARIABLE;

/// Password of every key of a testnet. The keys are worth nothing beyond it, and a person shall be able to use them.
pub const PASSWORD: &str = "testnet";

/// The command line of one `subnet-node` program.
#[derive(Clone, Debug)]
pub struct NodeCli {
    program: PathBuf,
}

/// An account in a keystore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The encrypted key.
    pub path: PathBuf,
    /// The account's address.
    pub address: Address,
}

impl NodeCli {
    /// The command line of `program`.
    pub fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs one command and reads the JSON object that it prints. Like a node, it ends with the thread that starts it.
    ///
    /// # Errors
    /// When it cannot be run or fails; the error holds the command and what it said.
    pub async fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> anyhow::Result<Value> {
        let shown = shown(arguments);
        let output = self.output(arguments).await?;
        let answer: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        if output.status.success() {
            return answer.with_context(|| format!("`{shown}` printed no JSON"));
        }
        let said = match answer.as_ref().and_then(|answer| answer["error"].as_str()) {
            Some(error) => error.to_owned(),
            None => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        };
        bail!("`{shown}` failed: {said}")
    }

    /// As [`Self::run`], where a failure is an answer too: its exit code and what it printed.
    ///
    /// # Errors
    /// When it cannot be run, was killed, or printed no JSON.
    pub async fn outcome<A: AsRef<OsStr>>(&self, arguments: &[A]) -> anyhow::Result<(i32, Value)> {
        let output = self.output(arguments).await?;
        let shown = shown(arguments);
        let code = output.status.code().with_context(|| format!("`{shown}` was killed"))?;
        let answer = serde_json::from_slice(&output.stdout).with_context(|| format!("`{shown}` printed no JSON"))?;
        Ok((code, answer))
    }

    async fn output<A: AsRef<OsStr>>(&self, arguments: &[A]) -> anyhow::Result<Output> {
        let mut command = std::process::Command::new(&self.program);
        command.args(arguments).arg("--json").env(PASSWORD_VARIABLE, PASSWORD).stdin(Stdio::null());
        end_with_launcher(&mut command);
        tokio::process::Command::from(command)
            // It must not outlive the step that wanted it either.
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {}", self.program.display()))
    }

    /// As [`Self::run`], for one field of the answer.
    ///
    /// # Errors
    /// As [`Self::run`], and when the field is not there or of another type.
    pub async fn field<T: DeserializeOwned, A: AsRef<OsStr>>(&self, arguments: &[A], field: &str) -> anyhow::Result<T> {
        let mut answer = self.run(arguments).await?;
        serde_json::from_value(answer[field].take())
            .with_context(|| format!("field {field:?} of what `{}` printed", shown(arguments)))
    }

    /// Makes the key of a further account in the home at `home`.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn new_account(&self, home: &Path, name: &str) -> anyhow::Result<KeyFile> {
        self.run(&["keys", "new", name, "--devnet-kdf", "--home", text(home)?]).await?;
        self.account(home, name).await
    }

    /// The account key with this name in the home at `home`.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn account(&self, home: &Path, name: &str) -> anyhow::Result<KeyFile> {
        let address: String = self.field(&["keys", "show", name, "--home", text(home)?], "public").await?;
        let address = parse_address(&address).with_context(|| format!("{address:?} is no address"))?;
        Ok(KeyFile { path: home.join("keys").join(format!("{name}.json")), address })
    }
}

impl KeyFile {
    /// Opens the key.
    ///
    /// # Errors
    /// When the file is not there or not an account's.
    pub fn open(&self) -> anyhow::Result<AccountKey> {
        Ok(keystore::load(&self.path, PASSWORD)?.into_account(&self.path)?)
    }

    /// The path, as an argument.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn argument(&self) -> anyhow::Result<&str> {
        text(&self.path)
    }
}

/// A path as an argument.
///
/// # Errors
/// When it is not UTF-8.
pub fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8; choose another folder with --dir", path.display()))
}

/// A command as a person would type it.
fn shown<A: AsRef<OsStr>>(arguments: &[A]) -> String {
    let mut line = "subnet-node".to_owned();
    for argument in arguments {
        let argument = argument.as_ref().to_string_lossy();
        line.push(' ');
        if argument.is_empty() || argument.contains(char::is_whitespace) {
            line.push_str(&format!("\"{argument}\""));
        } else {
            line.push_str(&argument);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, text: &str) -> NodeCli {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("subnet-node");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("writes");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("is ours");
        NodeCli::new(path)
    }

    #[test]
    fn commands_are_shown_as_a_person_types_them() {
        assert_eq!(shown(&["cross", "fund", "5 FIL", ""]), "subnet-node cross fund \"5 FIL\" \"\"");
    }

    #[tokio::test]
    async fn answers_are_read_and_failures_carry_what_was_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let good = script(folder.path(), "echo \"{\\\"height\\\": 7, \\\"last\\\": \\\"$4\\\"}\"");
        assert_eq!(good.field::<u64, _>(&["a", "b", "c"], "height").await.expect("a number"), 7);
        assert_eq!(good.field::<String, _>(&["a", "b", "c"], "last").await.expect("text"), "--json");
        assert!(good.field::<u64, _>(&["a"], "depth").await.expect_err("none").to_string().contains("depth"));

        let bad = script(folder.path(), "echo '{\"error\": \"no funds\"}'; exit 3");
        assert_eq!(bad.run(&["send"]).await.expect_err("fails").to_string(), "`subnet-node send` failed: no funds");
        let (code, said) = bad.outcome(&["cross"]).await.expect("said why");
        assert_eq!((code, &said["error"]), (3, &Value::from("no funds")));
        let mute = script(folder.path(), "echo trouble >&2; exit 1");
        assert!(mute.run(&["send"]).await.expect_err("fails").to_string().contains("trouble"));
        let chatty = script(folder.path(), "echo hello");
        assert!(chatty.run(&["send"]).await.expect_err("no JSON").to_string().contains("no JSON"));
    }
}
