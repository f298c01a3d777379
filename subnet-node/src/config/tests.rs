use super::*;

fn full() -> Config {
    let mut config = Config::new("validator \"0\"");
    config.consensus.peers = vec![loopback(1), loopback(2)];
    config.gossip.peers = vec![loopback(3)];
    config.parent.endpoints = vec!["http://127.0.0.1:1234".to_owned()];
    config.parent.peers = vec!["http://127.0.0.1:1235".to_owned()];
    config.parent.trusted_header = Some("bafy2bzacea3wsdh6y3a36tb3skempjoxqpuyompjbmfeyf34fi3uy6uue42v4".to_owned());
    config.keys.password_file = Some("/tmp/pass word".into());
    config.limits.lanes = Some(3);
    config.log.format = LogFormat::Json;
    config
}

#[test]
fn rendered_file_reads_back_to_the_same_settings() {
    for config in [Config::new("a"), full()] {
        assert_eq!(Config::parse(&config.render()).unwrap(), config, "{}", config.render());
    }
}

#[test]
fn moniker_alone_is_a_configuration() {
    assert_eq!(Config::parse("moniker = \"a\"").unwrap(), Config::new("a"));
}

#[test]
fn every_field_is_explained_in_the_rendered_file() {
    let rendered = full().render();
    let table: toml::Table = toml::from_str(&toml::to_string(&full()).unwrap()).unwrap();
    let fields = table.values().filter_map(|value| value.as_table()).flat_map(|section| section.keys());
    for field in fields.chain(table.keys()) {
        let position = rendered.find(&format!("\n{field} = ")).or_else(|| rendered.find(&format!("\n[{field}]")));
        let before = &rendered[..position.unwrap_or_else(|| panic!("{field} is not rendered"))];
        assert!(before.lines().last().unwrap().starts_with("# "), "{field} has no explanation");
    }
}

#[test]
fn unknown_and_misspelt_fields_are_named() {
    let error = Config::parse("moniker = \"a\"\n[rpc]\nlisen = \"127.0.0.1:1\"").unwrap_err().to_string();
    assert!(error.contains("lisen") && error.contains("listen"), "{error}");
    let error = Config::parse("moniker = \"a\"\n[rpc]\nlisten = \"everywhere\"").unwrap_err().to_string();
    assert!(error.contains("listen") && error.contains("socket address"), "{error}");
    assert!(Config::parse("").unwrap_err().to_string().contains("moniker"));
}

#[test]
fn values_outside_their_range_are_named_with_the_range() {
    type Case = (fn(&mut Config), &'static str);
    let cases: Vec<Case> = vec![
        (|c| c.moniker = String::new(), "moniker"),
        (|c| c.moniker = "a\nb".to_owned(), "moniker"),
        (|c| c.consensus.peers = vec![loopback(1); PEERS_MAX + 1], "consensus.peers"),
        (|c| c.gossip.peers = vec![loopback(1); PEERS_MAX + 1], "gossip.peers"),
        (|c| c.parent.endpoints = vec!["http://a".to_owned(); ENDPOINTS_MAX + 1], "parent.endpoints"),
        (|c| c.parent.endpoints = vec!["127.0.0.1:1".to_owned()], "parent.endpoints"),
        (|c| c.parent.peers = vec!["http://a".to_owned(); ENDPOINTS_MAX + 1], "parent.peers"),
        (|c| c.parent.peers = vec!["127.0.0.1:1".to_owned()], "parent.peers"),
        (|c| c.consensus.propose_timeout_ms = 1, "consensus.propose_timeout_ms"),
        (|c| c.parent.poll_ms = 0, "parent.poll_ms"),
        (|c| c.parent.trusted_header = Some("bafy".to_owned()), "parent.trusted_header"),
        (|c| c.limits.vm_concurrency = 1, "limits.vm_concurrency"),
        (|c| c.limits.lanes = Some(0), "limits.lanes"),
        (|c| c.limits.lanes = Some(LANES_MAX + 1), "limits.lanes"),
        (|c| c.rpc.listen = c.consensus.listen, "rpc.listen"),
    ];
    for (change, field) in cases {
        let mut config = full();
        assert!(config.check().is_ok());
        change(&mut config);
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("expected"), "{field}: {error}");
    }
}

#[test]
fn lanes_are_as_many_as_are_set_or_as_there_are_cores() {
    let cores = std::thread::available_parallelism().unwrap();
    assert_eq!(Config::new("a").limits.lanes().get(), cores.get().min(LANES_MAX as usize));
    assert_eq!(full().limits.lanes().get(), 3);
}

#[test]
fn absent_file_says_how_to_get_one() {
    let error = Config::load(Path::new("/nonexistent/config.toml")).unwrap_err().to_string();
    assert!(error.contains("subnet-node init"), "{error}");
}
