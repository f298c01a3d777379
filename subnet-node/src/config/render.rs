//! The configuration file with every field explained, as `init` writes it.

use std::fmt::Write as _;

use super::{Config, LogFormat};

impl Config {
    /// The text of a file that [`Config::parse`] reads back to `self`.
    pub fn render(&self) -> String {
        let mut text = Text(String::new());
        text.note("Settings of one node. The rules of the chain stand in genesis.car, not here.");
        text.field("Name of this node in logs, metrics and Subnet.Info.", "moniker", quoted(&self.moniker));

        text.section("consensus", "Voting.");
        let consensus = &self.consensus;
        text.field("Where to listen.", "listen", quoted(&consensus.listen.to_string()));
        text.field("Other validators to stay connected with.", "peers", list(&consensus.peers));
        text.field("How long to wait for a proposal in round 0.", "propose_timeout_ms", consensus.propose_timeout_ms);
        text.field(
            "Connections accepted from one IP address; a devnet on one machine needs one for each node.",
            "connections_per_ip_max",
            consensus.connections_per_ip_max,
        );

        text.section("gossip", "Exchange of messages that wait for a block.");
        text.field("Where to listen.", "listen", quoted(&self.gossip.listen.to_string()));
        text.field("Nodes to stay connected with.", "peers", list(&self.gossip.peers));
        text.field(
            "Connections accepted from one IP address.",
            "connections_per_ip_max",
            self.gossip.connections_per_ip_max,
        );

        text.section(
            "rpc",
            "JSON-RPC over HTTP and WebSocket. There is no login: listen on loopback or behind a proxy.",
        );
        text.field("Where to listen.", "listen", quoted(&self.rpc.listen.to_string()));
        text.field("Clients connected at the same time.", "connections_max", self.rpc.connections_max);
        text.field("Bytes of one request.", "request_bytes_max", self.rpc.request_bytes_max);
        text.field("Bytes of one answer.", "response_bytes_max", self.rpc.response_bytes_max);

        text.section("metrics", "Prometheus, at http://<listen>/metrics.");
        text.field("Whether metrics are served.", "is_enabled", self.metrics.is_enabled);
        text.field("Where to listen.", "listen", quoted(&self.metrics.listen.to_string()));

        text.section("parent", "The chain above. Without effect on a root.");
        text.field(
            "RPC endpoints of parent nodes, all of which are asked. Their proofs are verified, so one honest source is \
             enough to follow the parent. Which checkpoints are due cannot be verified: for submitting, most of the \
             endpoints should be honest. Proofs are also read from files: parent-proofs/*.proof in this folder, as \
             `subnet-node parent proof` writes them.",
            "endpoints",
            list(&self.parent.endpoints),
        );
        text.field(
            "RPC endpoints of nodes of this chain. They hand on the proofs that they have, which are verified as well; a \
             node with some of these needs no parent node to follow the parent.",
            "peers",
            list(&self.parent.peers),
        );
        text.field("How long to wait for one answer.", "timeout_ms", self.parent.timeout_ms);
        text.field("How often to ask for news.", "poll_ms", self.parent.poll_ms);
        text.optional(
            "Id of a parent block that you know to be final from people you trust. Set it when the log asks for it: after \
             a long time without parent updates, proofs alone lead no further.",
            "trusted_header",
            self.parent.trusted_header.as_deref().map(quoted),
            "\"bafy2bzace…\"",
        );

        text.section("checkpoint", "Submission of checkpoints to the parent. Without effect on a root.");
        text.field(
            "Whether this node takes its turn in submitting, paid by its account key.",
            "is_submitter",
            self.checkpoint.is_submitter,
        );

        text.section("keys", "Keys.");
        let password_file = self.keys.password_file.as_ref().map(|path| quoted(&path.to_string_lossy()));
        text.optional(
            "File whose first line is the password of the keys. Without it: environment variable SUBNET_PASSWORD.",
            "password_file",
            password_file,
            "\"/path/to/file\"",
        );

        text.section("limits", "How much of the machine to use.");
        let limits = &self.limits;
        text.field("Memory for what was read from the database.", "block_cache_mib", limits.block_cache_mib);
        text.field("Memory for what is being written to it.", "write_buffer_mib", limits.write_buffer_mib);
        text.field("Messages that wait for a block.", "mempool_messages_max", limits.mempool_messages_max);
        text.field("Their encoded bytes.", "mempool_mib", limits.mempool_mib);
        text.field(
            "What the VM may run at the same time: the block, whatever its lanes, and queries. At least 2.",
            "vm_concurrency",
            limits.vm_concurrency,
        );
        text.optional(
            "Cores that execute one block, 1 to 64. Without it: all there are.",
            "lanes",
            limits.lanes.map(|lanes| lanes.to_string()),
            "2",
        );

        text.section("log", "What is written to standard error.");
        let format = match self.log.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        text.field("text or json.", "format", quoted(format));
        text.field("A level, or target=level pairs. RUST_LOG wins.", "filter", quoted(&self.log.filter));
        text.0
    }
}

struct Text(String);

impl Text {
    fn note(&mut self, note: &str) {
        self.line(&format!("# {note}"));
    }

    fn section(&mut self, name: &str, note: &str) {
        self.line("");
        self.note(note);
        self.line(&format!("[{name}]"));
    }

    fn field(&mut self, note: &str, name: &str, value: impl std::fmt::Display) {
        self.note(note);
        self.line(&format!("{name} = {value}"));
    }

    fn optional(&mut self, note: &str, name: &str, value: Option<String>, example: &str) {
        match value {
            Some(value) => self.field(note, name, value),
            None => {
                self.note(note);
                self.line(&format!("# {name} = {example}"));
            }
        }
    }

    fn line(&mut self, line: &str) {
        writeln!(self.0, "{line}").expect("writing to a string cannot fail");
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}
