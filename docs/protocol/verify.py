#!/usr/bin/env python3
"""Computes vectors.json again from its fields, by the document and with nothing but Python's standard library.

Ends with 0 when every encoding and every hash is what the file says, otherwise with 1 and the first difference of each
vector.
"""
import hashlib
import json
import pathlib
import sys

# --- hashes -----------------------------------------------------------------------------------------------------------


def keccak_256(data):
    """Keccak with the padding of Ethereum (0x01), not that of SHA-3."""
    def rotate(value, by):
        by %= 64
        return ((value << by) | (value >> (64 - by))) & (2**64 - 1) if by else value

    def permute(lanes):
        register = 1
        for _ in range(24):
            columns = [lanes[x][0] ^ lanes[x][1] ^ lanes[x][2] ^ lanes[x][3] ^ lanes[x][4] for x in range(5)]
            parity = [columns[(x + 4) % 5] ^ rotate(columns[(x + 1) % 5], 1) for x in range(5)]
            lanes = [[lanes[x][y] ^ parity[x] for y in range(5)] for x in range(5)]
            (x, y), current = (1, 0), lanes[1][0]
            for step in range(24):
                x, y = y, (2 * x + 3 * y) % 5
                current, lanes[x][y] = lanes[x][y], rotate(current, (step + 1) * (step + 2) // 2)
            for y in range(5):
                row = [lanes[x][y] for x in range(5)]
                for x in range(5):
                    lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5] & (2**64 - 1))
            for bit in range(7):
                register = ((register << 1) ^ ((register >> 7) * 0x71)) % 256
                if register & 2:
                    lanes[0][0] ^= 1 << ((1 << bit) - 1)
        return lanes

    rate = 136
    lanes = [[0] * 5 for _ in range(5)]
    padded = bytearray(data) + bytearray(rate - len(data) % rate)
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    for start in range(0, len(padded), rate):
        for index in range(rate // 8):
            word = int.from_bytes(padded[start + 8 * index : start + 8 * index + 8], "little")
            lanes[index % 5][index // 5] ^= word
        lanes = permute(lanes)
    return b"".join(lanes[index % 5][index // 5].to_bytes(8, "little") for index in range(4))


def blake2b_256(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def cid_of(data):
    """CIDv1, DAG-CBOR (0x71), blake2b-256 (0xb220 as a varint), 32 bytes."""
    return bytes([0x01, 0x71, 0xA0, 0xE4, 0x02, 0x20]) + blake2b_256(data)


# --- DAG-CBOR, as far as the protocol uses it -------------------------------------------------------------------------


class Link(bytes):
    """A CID that is a link."""


def head(major, number):
    for limit, code, size in ((24, None, 0), (2**8, 24, 1), (2**16, 25, 2), (2**32, 26, 4), (2**64, 27, 8)):
        if number < limit:
            if code is None:
                return bytes([major << 5 | number])
            return bytes([major << 5 | code]) + number.to_bytes(size, "big")
    raise ValueError(number)


def cbor(value):
    if value is None:
        return b"\xf6"
    if value is True or value is False:
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, Link):
        return b"\xd8\x2a" + cbor(b"\x00" + bytes(value))
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(cbor(item) for item in value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key), key))
        return head(5, len(keys)) + b"".join(cbor(key) + cbor(value[key]) for key in keys)
    raise TypeError(type(value))


def amount_bytes(atto):
    """A sign byte (0 for plus) and the magnitude, big-endian; zero is the empty string."""
    return b"\x00" + atto.to_bytes((atto.bit_length() + 7) // 8, "big") if atto else b""


# --- words ------------------------------------------------------------------------------------------------------------


def number_word(number):
    return number.to_bytes(32, "big")


def tag_word(tag):
    return keccak_256(tag.encode())


# --- addresses and names ----------------------------------------------------------------------------------------------


def address_bytes(text):
    """An address from its text: protocol digit, base32 of payload and 4 bytes of checksum (id and f4 are not needed)."""
    protocol, rest = int(text[1]), text[2:]
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    bits = 0
    for character in rest:
        bits = bits << 5 | alphabet.index(character)
    length = len(rest) * 5 // 8
    data = (bits >> (len(rest) * 5 - length * 8)).to_bytes(length, "big")
    return bytes([protocol]) + data[:-4]


def subnet(text):
    root, *route = text[2:].split("/")
    return [int(root), [address_bytes(step) for step in route]]


# --- structures -------------------------------------------------------------------------------------------------------


def fixed(text):
    return bytes.fromhex(text)


def cross_address(value):
    return [subnet(value["subnet"]), fixed(value["address"])]


def message_cbor(message):
    ((kind, fields),) = message["kind"].items()
    if kind == "transfer":
        kind = "Transfer"
    elif kind == "call":
        kind = {"Call": {"method": fields["method"], "params": fixed(fields["params"])}}
    else:
        kind = {
            "Receipt": {
                "of": fixed(fields["of"]),
                "of_sequence": fields["of_sequence"],
                "exit_code": fields["exit_code"],
                "return_data": fixed(fields["return_data"]),
            }
        }
    return [
        fixed(message["id"]),
        cross_address(message["origin"]),
        message["origin_sequence"],
        cross_address(message["destination"]),
        amount_bytes(int(message["value"])),
        kind,
        message["nonce"],
        message["gas_limit"],
        amount_bytes(int(message["fee"])),
        message["expires"],
        message["wants_receipt"],
    ]


def message_id(chain, origin, sequence):
    words = [tag_word("subnet-runtime/cross-message/v1"), chain, keccak_256(origin), number_word(sequence)]
    return keccak_256(b"".join(words))


def call_key(origin, identity):
    words = [tag_word("subnet-runtime/call-key/v1"), keccak_256(origin.encode()), identity]
    return keccak_256(b"".join(words))


def message_leaf(message):
    ((kind, fields),) = message["kind"].items()
    of, of_sequence, number, data = bytes(32), 0, 0, b""
    if kind == "call":
        number, data = fields["method"], fixed(fields["params"])
    elif kind == "receipt":
        of, of_sequence, number = fixed(fields["of"]), fields["of_sequence"], fields["exit_code"]
        data = fixed(fields["return_data"])
    words = [
        tag_word("subnet-runtime/cross-message-leaf/v1"),
        fixed(message["id"]),
        keccak_256(message["origin"]["subnet"].encode()),
        keccak_256(fixed(message["origin"]["address"])),
        number_word(message["origin_sequence"]),
        keccak_256(message["destination"]["subnet"].encode()),
        keccak_256(fixed(message["destination"]["address"])),
        number_word(int(message["value"])),
        number_word({"transfer": 0, "call": 1, "receipt": 2}[kind]),
        of,
        number_word(of_sequence),
        number_word(number),
        keccak_256(data),
        number_word(message["nonce"]),
        number_word(message["gas_limit"]),
        number_word(int(message["fee"])),
        number_word(0 if message["expires"] is None else 1),
        number_word(message["expires"] or 0),
        number_word(int(message["wants_receipt"])),
    ]
    return keccak_256(b"".join(words))


def parents(row):
    pairs = [row[index : index + 2] for index in range(0, len(row), 2)]
    return [keccak_256(b"\x01" + pair[0] + pair[1]) if len(pair) == 2 else pair[0] for pair in pairs]


def merkle_root(leaves):
    row = [keccak_256(b"\x00" + leaf) for leaf in leaves]
    while len(row) > 1:
        row = parents(row)
    return row[0] if row else bytes(32)


def range_root(count, first, leaves, proof):
    row, proof = [keccak_256(b"\x00" + leaf) for leaf in leaves], list(proof)
    end = first + len(row)
    while count > 1:
        if first % 2 == 1:
            row.insert(0, proof.pop(0))
        if end % 2 == 1 and end < count:
            row.append(proof.pop(0))
        row = parents(row)
        count, first, end = (count + 1) // 2, first // 2, (end + 1) // 2
    return row[0] if not proof else None


def validator_set_cbor(value):
    members = [
        [fixed(member["owner"]), fixed(member["vote_key"]), fixed(member["checkpoint_key"]), member["power"]]
        for member in value["validators"]
    ]
    return [value["number"], members]


def checkpoint_cbor(value):
    batch, applied, configuration = value["messages"], value["top_down_applied"], value["configuration"]
    return [
        value["version"],
        fixed(value["chain"]),
        value["sequence"],
        value["height"],
        Link(fixed(value["block"])),
        Link(fixed(value["state_root"])),
        fixed(value["previous"]),
        [fixed(batch["root"]), batch["first_nonce"], batch["count"], amount_bytes(int(batch["value"]))],
        amount_bytes(int(value["burned"])),
        [applied["nonce"], applied["parent_height"]],
        [configuration["number"], fixed(configuration["validators_hash"])],
        fixed(value["upgrade"]),
    ]


def checkpoint_digest(value):
    batch, applied, configuration = value["messages"], value["top_down_applied"], value["configuration"]
    words = [
        tag_word("subnet-runtime/checkpoint/v1"),
        fixed(value["parent"]),
        keccak_256(fixed(value["actor"])),
        number_word(value["version"]),
        fixed(value["chain"]),
        number_word(value["sequence"]),
        number_word(value["height"]),
        fixed(value["block"])[-32:],
        fixed(value["state_root"])[-32:],
        fixed(value["previous"]),
        fixed(batch["root"]),
        number_word(batch["first_nonce"]),
        number_word(batch["count"]),
        number_word(int(batch["value"])),
        number_word(int(value["burned"])),
        number_word(applied["nonce"]),
        number_word(applied["parent_height"]),
        number_word(configuration["number"]),
        fixed(configuration["validators_hash"]),
        fixed(value["upgrade"]),
    ]
    return keccak_256(b"".join(words))


def header_cbor(value):
    return [
        value["version"],
        fixed(value["chain"]),
        value["height"],
        Link(fixed(value["parent"])),
        value["timestamp"],
        fixed(value["proposer"]),
        Link(fixed(value["payload_root"])),
        Link(fixed(value["state_root"])),
        Link(fixed(value["receipts_root"])),
        value["gas_used"],
        amount_bytes(int(value["base_fee"])),
        fixed(value["validators_hash"]),
        fixed(value["next_validators_hash"]),
    ]


def vote_preimage(value):
    identity, validator = fixed(value["identity"]), fixed(value["validator"])
    block = None if value["block"] is None else Link(fixed(value["block"]))
    position = [value["height"], value["round"]]
    if value["kind"] == "extension":
        digest = blake2b_256(fixed(value["extension"]))
        return cbor(["subnet-runtime/vote-extension/v1", identity, *position, block, validator, digest])
    kind = {"prevote": 1, "precommit": 2}[value["kind"]]
    return cbor(["subnet-runtime/vote/v1", identity, kind, *position, block, validator])


def possession_preimage(value):
    fields = [fixed(value[name]) for name in ("parent", "actor", "owner", "key")]
    return blake2b_256(cbor(["subnet-runtime/proof-of-possession/v1", value["kind"], *fields]))


# --- the file ---------------------------------------------------------------------------------------------------------


def differences(vectors):
    def expect(what, actual, expected):
        if actual is None or actual.hex() != expected:
            yield f"{what}: computed {actual.hex() if actual else None}, the file says {expected}"

    for value in vectors["chain_identities"]:
        name = subnet(value["subnet"])
        yield from expect("encoding of a subnet's name", cbor(name), value["subnet_cbor"])
        preimage = cbor(["subnet-runtime/chain-identity/v1", name, Link(fixed(value["genesis"]))])
        yield from expect("chain identity", blake2b_256(preimage), value["identity"])
    leaves = []
    for value in vectors["messages"]:
        what = f"message {value['nonce']}"
        origin = fixed(value["origin"]["address"])
        identity = message_id(fixed(value["origin_chain"]), origin, value["origin_sequence"])
        yield from expect(f"id of {what}", identity, value["id"])
        if "call" in value["kind"]:
            key = call_key(value["origin"]["subnet"], identity)
            yield from expect(f"key of {what}", key, value["kind"]["call"]["key"])
        yield from expect(f"encoding of {what}", cbor(message_cbor(value)), value["cbor"])
        leaves.append(message_leaf(value))
        yield from expect(f"leaf of {what}", leaves[-1], value["leaf"])
    for value in vectors["trees"]:
        all_leaves, proof = [[fixed(item) for item in value[name]] for name in ("leaves", "proof")]
        what = f"root of {len(all_leaves)} leaves"
        yield from expect(what, merkle_root(all_leaves), value["root"])
        part = all_leaves[value["first"] : value["end"]]
        root = range_root(len(all_leaves), value["first"], part, proof)
        yield from expect(f"{what} from {value['first']} to {value['end']}", root, value["root"])
    for value in vectors["validator_sets"]:
        encoding = cbor(validator_set_cbor(value))
        yield from expect("encoding of a validator set", encoding, value["cbor"])
        yield from expect("hash of a validator set", keccak_256(encoding), value["hash"])
    for value in vectors["checkpoints"]:
        yield from expect("batch root of the messages", merkle_root(leaves), value["messages"]["root"])
        yield from expect("encoding of a checkpoint", cbor(checkpoint_cbor(value)), value["cbor"])
        yield from expect("digest of a checkpoint", checkpoint_digest(value), value["digest"])
    for value in vectors["headers"]:
        encoding = cbor(header_cbor(value))
        yield from expect("encoding of a header", encoding, value["cbor"])
        yield from expect("id of a header", cid_of(encoding), value["id"])
    for value in vectors["votes"]:
        yield from expect(f"preimage of a {value['kind']}", vote_preimage(value), value["preimage"])
    for value in vectors["proofs_of_possession"]:
        yield from expect(f"possession of a {value['kind']} key", possession_preimage(value), value["preimage"])


def main():
    # Published values, so that a mistake in the hash itself is not taken for one in the file.
    empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak_256(b"").hex() == empty, "this script's keccak is wrong"
    path = pathlib.Path(__file__).with_name("vectors.json")
    vectors = json.loads(path.read_text())
    found = list(differences(vectors))
    for line in found:
        print(line)
    count = sum(len(group) for group in vectors.values())
    print(f"{path.name}: {count} vectors, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
