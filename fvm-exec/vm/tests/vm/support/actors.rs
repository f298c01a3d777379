//! Actors in wasm text.

/// Every syscall: module, name, and arguments (`r` for the place of the result, `i` for 32 and `l` for 64 bits).
pub const SYSCALLS: &[(&str, &str, &str)] = &[
    ("vm", "exit", "iiii"),
    ("vm", "message_context", "r"),
    ("gas", "charge", "iil"),
    ("gas", "available", "r"),
    ("debug", "log", "ii"),
    ("debug", "enabled", "r"),
    ("debug", "store_artifact", "iiii"),
    ("network", "context", "r"),
    ("network", "tipset_cid", "rlii"),
    ("network", "total_fil_circ_supply", "r"),
    ("rand", "get_chain_randomness", "rl"),
    ("rand", "get_beacon_randomness", "rl"),
    ("ipld", "block_open", "ri"),
    ("ipld", "block_create", "rlii"),
    ("ipld", "block_read", "riiii"),
    ("ipld", "block_stat", "ri"),
    ("ipld", "block_link", "riliii"),
    ("self", "root", "rii"),
    ("self", "set_root", "i"),
    ("self", "current_balance", "r"),
    ("self", "self_destruct", "i"),
    ("actor", "resolve_address", "rii"),
    ("actor", "lookup_delegated_address", "rlii"),
    ("actor", "get_actor_code_cid", "rlii"),
    ("actor", "next_actor_address", "rii"),
    ("actor", "create_actor", "liii"),
    ("actor", "get_builtin_actor_type", "ri"),
    ("actor", "get_code_cid_for_type", "riii"),
    ("actor", "balance_of", "rl"),
    ("crypto", "verify_signature", "riiiiiii"),
    ("crypto", "verify_bls_aggregate", "riiiii"),
    ("crypto", "recover_secp_public_key", "rii"),
    ("crypto", "hash", "rliiii"),
    ("crypto", "compute_unsealed_sector_cid", "rliiii"),
    ("crypto", "verify_post", "rii"),
    ("crypto", "verify_consensus_fault", "riiiiii"),
    ("crypto", "verify_aggregate_seals", "rii"),
    ("crypto", "verify_replica_update", "rii"),
    ("crypto", "batch_verify_seals", "iii"),
    ("event", "emit_event", "iiiiii"),
    ("send", "send", "riilillll"),
];

/// What the script actor can do besides syscalls: name and body, which gets the address of its arguments in `$a` and
/// leaves a number.
pub const EXTRAS: &[(&str, &str)] = &[
    ("unreachable", "unreachable"),
    ("spin", "(loop $again (br $again)) unreachable"),
    ("recurse", "(call $dive (local.get $a))"),
    ("grow", "(memory.grow (i32.wrap_i64 (i64.load (local.get $a))))"),
    ("load", "(i32.load (i32.wrap_i64 (i64.load (local.get $a))))"),
    (
        "divide",
        "(i32.div_s (i32.wrap_i64 (i64.load (local.get $a))) (i32.wrap_i64 (i64.load offset=8 (local.get $a))))",
    ),
    (
        "copy",
        "(memory.copy (i32.wrap_i64 (i64.load (local.get $a))) (i32.wrap_i64 (i64.load offset=8 (local.get $a)))
            (i32.wrap_i64 (i64.load offset=16 (local.get $a)))) (i32.const 0)",
    ),
    (
        "fill",
        "(memory.fill (i32.wrap_i64 (i64.load (local.get $a))) (i32.wrap_i64 (i64.load offset=8 (local.get $a)))
            (i32.wrap_i64 (i64.load offset=16 (local.get $a)))) (i32.const 0)",
    ),
    (
        "nan",
        "(f64.store (i32.wrap_i64 (i64.load (local.get $a)))
            (f64.div (f64.sqrt (f64.const -1)) (f64.const 0))) (i32.const 0)",
    ),
    ("truncate", "(i32.trunc_f64_s (f64.load (local.get $a)))"),
    ("indirect", "(call_indirect (type $other) (i32.const 0) (i32.const 0) (i32.wrap_i64 (i64.load (local.get $a))))"),
    ("count", "(call $count (i32.wrap_i64 (i64.load (local.get $a))))"),
    ("size", "(memory.size)"),
];

/// Where a script lies in the actor's memory, and how long it may be.
pub const SCRIPT_AT: u32 = 0x1_0000;
/// Bytes of one step: its number and eight or nine arguments.
pub const STEP_BYTES: u32 = 80;
/// Where the results of steps are, four bytes for each.
pub const ERRORS_AT: u32 = 0x200;
/// Bytes that the actor returns, from address 0.
pub const RESULT_BYTES: u32 = 0x1000;

/// Number of a step by its name: `module::name` for syscalls.
pub fn step(name: &str) -> u32 {
    let syscalls = SYSCALLS.iter().map(|(module, call, _)| format!("{module}::{call}"));
    let mut names = syscalls.chain(EXTRAS.iter().map(|(extra, _)| (*extra).to_owned()));
    names.position(|known| known == name).unwrap_or_else(|| panic!("no step {name}")) as u32
}

/// The actor that does what its parameters say (see [`super::script`]).
pub fn script_actor() -> Vec<u8> {
    let mut imports = String::new();
    let mut functions = String::new();
    let mut elements = String::new();
    for (number, (module, name, signature)) in SYSCALLS.iter().enumerate() {
        let mut params = String::new();
        let mut args = String::new();
        for (index, kind) in signature.chars().filter(|kind| *kind != ' ').enumerate() {
            let load = format!("(i64.load offset={} (local.get $a))", index * 8);
            if kind == 'l' {
                params.push_str(" i64");
                args.push_str(&load);
            } else {
                params.push_str(" i32");
                args.push_str(&format!("(i32.wrap_i64 {load})"));
            }
        }
        imports
            .push_str(&format!("(import \"{module}\" \"{name}\" (func $sys{number} (param{params}) (result i32)))\n"));
        functions.push_str(&format!(
            "(func $step{number} (type $step) (param $a i32) (result i32) (call $sys{number} {args}))\n"
        ));
        elements.push_str(&format!(" $step{number}"));
    }
    for (index, (_, body)) in EXTRAS.iter().enumerate() {
        let number = SYSCALLS.len() + index;
        functions.push_str(&format!("(func $step{number} (type $step) (param $a i32) (result i32) {body})\n"));
        elements.push_str(&format!(" $step{number}"));
    }
    let (read, create) = (step("ipld::block_read"), step("ipld::block_create"));
    let count = SYSCALLS.len() + EXTRAS.len();
    let text = format!(
        r#"(module
        (type $step (func (param $a i32) (result i32)))
        (type $other (func (param i32 i32) (result i32)))
        {imports}
        (memory (export "memory") 3)
        (data (i32.const 64) "something to begin with")
        (global $depth (mut i32) (i32.const 0))
        (table (export "table") {count} funcref)
        (elem (i32.const 0) {elements})
        {functions}
        (func $dive (param $a i32) (result i32)
            (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
            (i32.add (call $dive (i32.add (local.get $a) (i32.const 1))) (i32.const 1)))
        (func $count (param $n i32) (result i32) (local $sum i32)
            (block $done (loop $next
                (br_if $done (i32.eqz (local.get $n)))
                (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (local.get $n)))
                (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                (br $next)))
            (local.get $sum))
        (func (export "invoke") (param $params i32) (result i32)
            (local $at i32) (local $left i32) (local $to i32)
            (if (i32.eqz (local.get $params)) (then (return (i32.const 0))))
            (drop (call $sys{read} (i32.const 8) (local.get $params) (i32.const 0) (i32.const {SCRIPT_AT})
                (i32.const 65536)))
            (local.set $at (i32.add (i32.const {SCRIPT_AT}) (i32.load (i32.const {SCRIPT_AT}))))
            (local.set $left (i32.load offset=4 (i32.const {SCRIPT_AT})))
            (local.set $to (i32.const {ERRORS_AT}))
            (block $done (loop $next
                (br_if $done (i32.eqz (local.get $left)))
                (i32.store (local.get $to) (call_indirect (type $step)
                    (i32.add (local.get $at) (i32.const 8)) (i32.load (local.get $at))))
                (local.set $at (i32.add (local.get $at) (i32.const {STEP_BYTES})))
                (local.set $to (i32.add (local.get $to) (i32.const 4)))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br $next)))
            (if (call $sys{create} (i32.const 16) (i64.const 85) (i32.const 0) (i32.const {RESULT_BYTES}))
                (then (return (i32.const 0))))
            (i32.load (i32.const 16))))"#
    );
    wat::parse_str(text).unwrap()
}

/// Actors that are odd as modules: name and text.
pub fn odd_actors() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| wat::parse_str(text).unwrap();
    vec![
        (
            "empty",
            text(
                r#"(module (memory (export "memory") 1) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        ("not wasm", b"this is not wasm".to_vec()),
        ("no memory", text(r#"(module (func (export "invoke") (param i32) (result i32) i32.const 0))"#)),
        (
            "memory is a function",
            text(r#"(module (func (export "memory")) (func (export "invoke") (param i32) (result i32) i32.const 0))"#),
        ),
        ("no entry", text(r#"(module (memory (export "memory") 1))"#)),
        (
            "entry is a global",
            text(r#"(module (memory (export "memory") 1) (global (export "invoke") i32 (i32.const 3)))"#),
        ),
        (
            "entry takes nothing",
            text(r#"(module (memory (export "memory") 1) (func (export "invoke") (result i32) i32.const 0))"#),
        ),
        (
            "unknown import",
            text(
                r#"(module (import "vm" "magic" (func)) (memory (export "memory") 1) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "imported global",
            text(
                r#"(module (import "env" "base" (global i32)) (memory (export "memory") 1) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "wrong import",
            text(
                r#"(module (import "vm" "exit" (func (param i64))) (memory (export "memory") 1) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "missing block",
            text(
                r#"(module (memory (export "memory") 1) (func (export "invoke") (param i32) (result i32) i32.const 77))"#,
            ),
        ),
        (
            "abort with missing block",
            text(
                r#"(module (import "vm" "exit" (func $exit (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1)
            (func (export "invoke") (param i32) (result i32) (call $exit (i32.const 40) (i32.const 77) (i32.const 0) (i32.const 0))))"#,
            ),
        ),
        (
            "simd",
            text(
                r#"(module (memory (export "memory") 1) (func (export "invoke") (param i32) (result i32) (drop (v128.const i32x4 0 0 0 0)) i32.const 0))"#,
            ),
        ),
        (
            "several values",
            text(
                r#"(module (memory (export "memory") 1) (func $two (result i32 i32) i32.const 1 i32.const 2) (func (export "invoke") (param i32) (result i32) call $two drop))"#,
            ),
        ),
        (
            "two memories",
            text(
                r#"(module (memory (export "memory") 1) (memory 1) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "tail call",
            text(
                r#"(module (memory (export "memory") 1) (func $f (result i32) i32.const 0) (func (export "invoke") (param i32) (result i32) return_call $f))"#,
            ),
        ),
        (
            "reference",
            text(
                r#"(module (memory (export "memory") 1) (func (export "invoke") (param i32) (result i32) ref.null func ref.is_null drop i32.const 0))"#,
            ),
        ),
        (
            "extended constant",
            text(
                r#"(module (memory (export "memory") 1) (global i32 (i32.add (i32.const 1) (i32.const 2))) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "large memory",
            text(
                r#"(module (memory (export "memory") 8192) (func (export "invoke") (param i32) (result i32) (i32.store (i32.const 536870908) (i32.const 1)) (memory.grow (i32.const 1)) drop i32.const 0))"#,
            ),
        ),
        (
            "memory above the limit",
            text(
                r#"(module (memory (export "memory") 8193) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "bounded memory",
            text(
                r#"(module (memory (export "memory") 1 2) (func (export "invoke") (param i32) (result i32) (drop (memory.grow (i32.const 1))) (drop (memory.grow (i32.const 1))) i32.const 0))"#,
            ),
        ),
        (
            "table",
            text(
                r#"(module (memory (export "memory") 1) (table (export "table") 20000 funcref) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "table above the limit",
            text(
                r#"(module (memory (export "memory") 1) (table (export "table") 20001 funcref) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "hidden table",
            text(
                r#"(module (memory (export "memory") 1) (table 5000 funcref) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "growing table",
            text(
                r#"(module (memory (export "memory") 1) (table $t 1 funcref) (func (export "invoke") (param i32) (result i32) (drop (table.grow $t (table.get $t (i32.const 0)) (i32.const 9))) i32.const 0))"#,
            ),
        ),
        (
            "data out of bounds",
            text(
                r#"(module (memory (export "memory") 1) (data (i32.const 65535) "ab") (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "elements out of bounds",
            text(
                r#"(module (memory (export "memory") 1) (table 1 funcref) (elem (i32.const 1) $f) (func $f) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "start",
            text(
                r#"(module (memory (export "memory") 1) (global $g (mut i32) (i32.const 0)) (func $start (global.set $g (i32.const 5))) (start $start)
            (func (export "invoke") (param i32) (result i32) (if (i32.ne (global.get $g) (i32.const 5)) (then unreachable)) i32.const 0))"#,
            ),
        ),
        (
            "start traps",
            text(
                r#"(module (memory (export "memory") 1) (func $start unreachable) (start $start) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "start spins",
            text(
                r#"(module (memory (export "memory") 1) (func $start (loop $l (br $l))) (start $start) (func (export "invoke") (param i32) (result i32) i32.const 0))"#,
            ),
        ),
        (
            "wide image",
            text(
                r#"(module (memory (export "memory") 20) (data (i32.const 0) "first") (data (i32.const 1310000) "last") (func (export "invoke") (param i32) (result i32)
            (if (i32.ne (i32.load8_u (i32.const 1310000)) (i32.const 108)) (then unreachable)) (i32.store8 (i32.const 1310000) (i32.const 0)) i32.const 0))"#,
            ),
        ),
    ]
}
