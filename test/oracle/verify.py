"""Verifies evidence bundles by docs/verify.md, and by nothing else of this project: the oracle of `countersign verify`.

Reads requests from standard input, one JSON object per line: {"bundle": path, "key": vkey?, "witnesses": [vkey]?, "quorum": n?,
"kept": [path]?}, and answers each with one line: {"verdict", "first", "doubts": [[rule, index]]}. With arguments it verifies the bundles
that they name.
"""

import base64
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

OVERLAP = 30
SAFE = 2**53 - 1


class Malformed(Exception):
    pass


def sha(data):
    return hashlib.sha256(data).digest()


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    """As lenient as Buffer.from(text, 'base64url'): both alphabets, up to the first padding, without what is neither."""
    text = text.split("=")[0].replace("+", "-").replace("/", "_")
    text = re.sub(r"[^A-Za-z0-9_-]", "", text)
    if len(text) % 4 == 1:
        text = text[:-1]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def strict_b64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except Exception as error:
        raise Malformed("base64") from error
    if base64.b64encode(data).decode() != text:
        raise Malformed("base64")
    return data


def refuse_constant(_):
    raise ValueError("no JSON")


def parse(text):
    """JSON as JavaScript reads it: whole numbers are integers however they are written."""
    return json.loads(text, parse_constant=refuse_constant)


def try_object(text):
    try:
        value = parse(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def is_int(value):
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) <= SAFE
    return isinstance(value, float) and value.is_integer() and abs(value) <= SAFE


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= SAFE


def is_text(value):
    if not isinstance(value, str):
        return False
    return not any(0xD800 <= ord(one) <= 0xDFFF for one in value)


def same(one, other):
    """Whether two JSON values are the same, whatever the order of their members."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return float(one) == float(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return one == other


# --- The tree -------------------------------------------------------------------------------------------------------------------


def node(left, right):
    return sha(b"\x01" + left + right)


class Tree:
    def __init__(self):
        self.size = 0
        self.peaks = []

    def append(self, leaf):
        index = self.size
        while index % 2 == 1:
            leaf = node(self.peaks.pop(), leaf)
            index //= 2
        self.peaks.append(leaf)
        self.size += 1

    def root(self):
        if not self.peaks:
            return sha(b"")
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node(peak, root)
        return root


def included(index, size, leaf, proof, root):
    if index >= size or any(len(one) != 32 for one in proof):
        return False
    at, last, reached = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at % 2 == 1 or at == last:
            reached = node(sibling, reached)
            while at > 0 and at % 2 == 0:
                at, last = at // 2, last // 2
        else:
            reached = node(reached, sibling)
        at, last = at // 2, last // 2
    return last == 0 and reached == root


def consistent(older, older_root, size, root, proof):
    if older > size or any(len(one) != 32 for one in proof):
        return False
    if older == size:
        return not proof and older_root == root
    if older == 0:
        return not proof and older_root == sha(b"")
    at, last = older - 1, size - 1
    while at % 2 == 1:
        at, last = at // 2, last // 2
    path = ([older_root] if at == 0 else []) + list(proof)
    if not path:
        return False
    reached_older = reached = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at % 2 == 1 or at == last:
            reached_older = node(sibling, reached_older)
            reached = node(sibling, reached)
            while at > 0 and at % 2 == 0:
                at, last = at // 2, last // 2
        else:
            reached = node(reached, sibling)
        at, last = at // 2, last // 2
    return last == 0 and reached_older == older_root and reached == root


def leaf_hash(event, sealed_hash):
    data_hash = b64u(sha(event["data"].encode()))
    sealed = event["sealed"]
    leaf = {
        "ac": event["actor"]["kind"] + ":" + event["actor"]["id"],
        "ca": event["causationId"] or "",
        "cf": event.get("compatibleFrom", event["version"]),
        "co": event["correlationId"],
        "dh": data_hash,
        "id": event["id"],
        "rv": event["revision"],
        "sh": sealed_hash if sealed_hash is not None else ("" if sealed is None else b64u(sha(sealed.encode()))),
        "st": event["stream"],
        "ts": event["recordedAt"],
        "ty": f"{event['type']}.v{event['version']}",
        "v": 1,
    }
    return sha(b"\x00" + dumps(leaf).encode())


# --- Signed notes ---------------------------------------------------------------------------------------------------------------


class Key:
    def __init__(self, text, kind):
        match = re.fullmatch(r"([^\s\u0085+]+)\+([0-9a-f]{8})\+(.+)", text)
        if match is None:
            raise Malformed("a key")
        self.name = match[1]
        material = strict_b64(match[3])
        if len(material) != 33 or material[0] != kind:
            raise Malformed("a key")
        self.type = material[0]
        self.id = sha(self.name.encode() + b"\n" + material)[:4]
        if self.id.hex() != match[2]:
            raise Malformed("a key")
        self.public = ed25519.Ed25519PublicKey.from_public_bytes(material[1:])

    def verifies(self, text, signature):
        signed = text.encode()
        if self.type == 4:
            if len(signature) < 8:
                return False
            seconds = int.from_bytes(signature[:8], "big")
            if seconds > SAFE:
                return False
            signed = f"cosignature/v1\ntime {seconds}\n".encode() + signed
            signature = signature[8:]
        try:
            self.public.verify(signature, signed)
            return True
        except InvalidSignature:
            return False


def open_checkpoint(note, log, witnesses):
    """Origin, size, root and the number of cosignatures; raises Malformed for what is not signed as it has to be."""
    end = note.rfind("\n\n")
    if end < 0 or not note.endswith("\n") or any(one < " " and one != "\n" for one in note):
        raise Malformed("a note")
    text, lines = note[: end + 1], note[end + 2 : -1].split("\n")
    if len(lines) > 100:
        raise Malformed("a note")
    signers = set()
    for line in lines:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "—" or not re.fullmatch(r"[^\s\u0085+]+", parts[1]):
            raise Malformed("a line of signature")
        data = strict_b64(parts[2])
        if len(data) <= 4:
            raise Malformed("a line of signature")
        for key in [log, *witnesses]:
            if key.name == parts[1] and key.id == data[:4]:
                if not key.verifies(text, data[4:]):
                    raise Malformed("a signature")
                signers.add((key.name, key.id))
    if (log.name, log.id) not in signers:
        raise Malformed("the log did not sign it")
    origin, size, root, *more = text.split("\n")
    if origin != log.name or not re.fullmatch(r"0|[1-9][0-9]*", size) or not more or more.pop() != "" or "" in more or int(size) > SAFE:
        raise Malformed("a checkpoint")
    root = strict_b64(root)
    if len(root) != 32:
        raise Malformed("a checkpoint")
    return {"size": int(size), "root": root, "cosignatures": len(signers) - 1}


# --- The bundle -----------------------------------------------------------------------------------------------------------------


def hashes_of(proof):
    if not isinstance(proof, list) or not all(is_text(one) for one in proof):
        raise Malformed("a proof")
    return [strict_b64(one) for one in proof]


def line_object(line):
    try:
        text = line.decode()
        value = parse(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("the line is no JSON") from error
    if not isinstance(value, dict):
        raise Malformed("the line is no JSON object")
    return text, value


def must_be(text, value):
    try:
        written = dumps(value)
        written.encode()
    except ValueError as error:
        raise Malformed("no text") from error
    if written != text:
        raise Malformed("it is not written like this")


def read_head(line):
    text, head = line_object(line)
    if head.get("countersign") != "evidence" or not is_int(head.get("version")) or head["version"] != 1:
        raise Malformed("another format")
    consent, span = head.get("consent"), head.get("range")
    if not all(is_text(head.get(name)) for name in ("origin", "key", "checkpoint")) or not (consent is None or is_text(consent)):
        raise Malformed("the first line")
    if span is not None and not (isinstance(span, dict) and is_count(span.get("from")) and is_count(span.get("to"))):
        raise Malformed("a range")
    proofs = []
    if "consistency" in head:
        if not isinstance(head["consistency"], list):
            raise Malformed("proofs")
        for one in head["consistency"]:
            if not isinstance(one, dict) or not is_count(one.get("size")):
                raise Malformed("proofs")
            proofs.append({"size": one["size"], "proof": hashes_of(one.get("proof"))})
    rebuilt = {"countersign": "evidence", "version": 1, "origin": head["origin"], "key": head["key"], "checkpoint": head["checkpoint"]}
    rebuilt["range"] = None if span is None else {"from": span["from"], "to": span["to"]}
    rebuilt["consent"] = consent
    if "consistency" in head:
        rebuilt["consistency"] = [{"size": one["size"], "proof": one["proof"]} for one in head["consistency"]]
    if "range" not in head or "consent" not in head:
        raise Malformed("the first line")
    must_be(text, rebuilt)
    rebuilt["proofs"] = proofs
    return rebuilt


EVENT = ["id", "type", "version", "compatibleFrom", "actor", "correlationId", "causationId", "data", "sealed", "stream", "revision", "recordedAt"]


def read_fact(line):
    text, fact = line_object(line)
    event = fact.get("event")
    if not is_count(fact.get("index")) or not isinstance(event, dict):
        raise Malformed("a fact")
    actor = event.get("actor")
    good = (
        all(is_text(event.get(name)) for name in ("id", "type", "correlationId", "data", "stream"))
        and all(is_count(event.get(name)) for name in ("version", "revision", "recordedAt"))
        and ("compatibleFrom" not in event or is_count(event["compatibleFrom"]))
        and "causationId" in event
        and "sealed" in event
        and (event["causationId"] is None or is_text(event["causationId"]))
        and (event["sealed"] is None or is_text(event["sealed"]))
        and isinstance(actor, dict)
        and is_text(actor.get("kind"))
        and is_text(actor.get("id"))
    )
    if not good:
        raise Malformed("an event")
    for name in ("sealedHash", "key"):
        value = fact.get(name)
        if name in fact and not (isinstance(value, str) and len(value) == 43 and b64u(unb64u(value)) == value):
            raise Malformed("32 bytes")
    rebuilt = {"index": fact["index"]}
    proof = None
    if "proof" in fact:
        proof = hashes_of(fact["proof"])
        rebuilt["proof"] = fact["proof"]
    rebuilt["event"] = {name: event[name] for name in EVENT if name in event}
    rebuilt["event"]["actor"] = {"kind": actor["kind"], "id": actor["id"]}
    for name in ("sealedHash", "key"):
        if name in fact:
            rebuilt[name] = fact[name]
    must_be(text, rebuilt)
    return {"index": fact["index"], "event": event, "proof": proof, "sealedHash": fact.get("sealedHash"), "key": fact.get("key")}


def key_name(text):
    """The name of the key that a text was sealed with; None for one of the time before keys had names."""
    parts = text.split(".")
    return f"{parts[1]}.{parts[2]}" if parts[0] == "2" and len(parts) > 3 else None


def open_sealed(text, context, key):
    """The plaintext; raises for anything that does not fit."""
    name = key_name(text)
    if name is None:
        raise Malformed("a sealed text")
    data, secret, context = unb64u(text[len(name) + 3 :]), unb64u(key), context.encode()
    if len(secret) != 32 or data[:32] != sha(b"countersign/commitment\n" + secret + context):
        raise Malformed("a commitment")
    return AESGCM(secret).decrypt(data[32:44], data[44:], context).decode("utf-8", "replace")


# --- The types ------------------------------------------------------------------------------------------------------------------


def read_types(text):
    """The table at the end of docs/verify.md."""
    types = {}
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 5 and cells[2].isdigit():
            members = [member.split(":") for member in cells[3].split(" ")]
            types.setdefault(cells[1], {"category": cells[0], "versions": []})["versions"].append({"members": members, "sealed": cells[4]})
    return types


def is_kind(value, kind):
    if kind.endswith("?"):
        return value is None or is_kind(value, kind[0])
    if kind == "t":
        return isinstance(value, str)
    if kind == "n":
        return is_int(value)
    if kind == "b":
        return isinstance(value, bool)
    if kind == "l":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, dict)


def members_in(text, version, may_have_more):
    data = try_object(text)
    if data is None:
        return None
    for name, kind in version["members"]:
        if name not in data or not is_kind(data[name], kind):
            return None
    if len(data) != len(version["members"]) and not may_have_more:
        return None
    return data


# --- The rules ------------------------------------------------------------------------------------------------------------------

LISTS = {"account_information": ["actions", "accounts"], "payment_initiation": ["actions"], "3ds:payment_authorisation": []}


def each_has_its_own(items, others, fits):
    takers = {}

    def settle(item, passed):
        for at, other in enumerate(others):
            if at in passed or not fits(item, other):
                continue
            passed.add(at)
            if at in takers and not settle(takers[at], passed):
                continue
            takers[at] = item
            return True
        return False

    return len(items) <= len(others) and all(settle(item, set()) for item in items)


MISSING = object()


def is_less_of(one, other):
    if not isinstance(one, dict) or not isinstance(other, dict) or not same(one.get("type", MISSING), other.get("type", MISSING)):
        return False
    lists = LISTS.get(one["type"]) if isinstance(one.get("type"), str) else None
    if lists is None:
        return True
    for name in {*one, *other}:
        mine, theirs = one.get(name, MISSING), other.get(name, MISSING)
        if name in lists:
            if name == "accounts" and theirs is MISSING:
                continue
            if isinstance(mine, list) and isinstance(theirs, list):
                if not each_has_its_own(mine, theirs, same):
                    return False
                continue
        if not same(mine, theirs):
            return False
    return True


def session_of(request_id):
    data = bytearray(unb64u(request_id[8:])[:16])
    if len(data) > 6:
        data[6] = (data[6] & 0x0F) | 0x80
    if len(data) > 8:
        data[8] = (data[8] & 0x3F) | 0x80
    text = data.hex()
    return "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])


def thumbprint(key):
    members = {}
    for name in ("crv", "e", "kty", "n", "x", "y"):
        if name in key:
            value = key[name]
            members[name] = b64u(unb64u(value)) if name in ("e", "n", "x", "y") and isinstance(value, str) else value
    return b64u(sha(dumps(members).encode()))


def public_key(jwk):
    number = lambda name: int.from_bytes(unb64u(jwk[name]), "big")
    if jwk.get("crv") != {"EC": "P-256", "OKP": "Ed25519"}.get(jwk["kty"]):
        raise Malformed("a key")
    if jwk["kty"] == "EC":
        return ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()
    if jwk["kty"] == "OKP":
        return ed25519.Ed25519PublicKey.from_public_bytes(unb64u(jwk["x"]))
    return rsa.RSAPublicNumbers(number("e"), number("n")).public_key()


def signed_claims(jws, device, device_id):
    if not re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", jws):
        return None
    head, body, signature = jws.split(".")
    header = try_object(unb64u(head).decode("utf-8", "replace"))
    kty = device["publicKey"].get("kty")
    if header is None or not isinstance(kty, str) or header.get("alg", MISSING) != {"EC": "ES256", "OKP": "EdDSA", "RSA": "RS256"}.get(kty):
        return None
    if device["dialect"] == "countersign" and (header.get("typ") != "consent-answer+jwt" or header.get("kid") != device_id):
        return None
    signed, signature = f"{head}.{body}".encode(), unb64u(signature)
    try:
        key = public_key(device["publicKey"])
        if kty == "EC":
            if len(signature) != 64:
                return None
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
        elif kty == "OKP":
            key.verify(signature, signed)
        else:
            key.verify(signature, signed, padding.PKCS1v15(), SHA256())
    except Exception:
        return None
    return try_object(unb64u(body).decode("utf-8", "replace"))


def accounts_named(mta):
    if not isinstance(mta, str) or mta == "":
        return None
    value = try_object(mta)
    return None if value is None else value.get("approvedAccountIds")


class Rules:
    """Replays the rules over facts in their order."""

    def __init__(self, whole):
        self.whole = whole
        self.clients, self.devices, self.requests, self.consents = {}, {}, {"ciba": {}, "code": {}}, {}
        self.grants, self.sessions, self.erased = {}, {}, {}

    def judge(self, category, fact, say):
        self.fact, self.say = fact, say
        self.must(fact["sealedFor"] is None or self.goes_on(self.erased.get(fact["sealedFor"])), "R16")
        handler = {
            "client": self.client,
            "device": self.device,
            "consent": self.consent,
            "cibaRequest": self.ciba,
            "authorization": self.authorization,
            "grant": self.grant,
            "authentication": self.authentication,
            "psu": self.psu,
        }.get(category)
        if handler:
            handler()

    def moment(self):
        return self.fact["at"], self.fact["recordedAt"]

    def goes_on(self, end):
        at, recorded = self.moment()
        return end is None or (at <= end[0] + OVERLAP and recorded <= end[1] + OVERLAP * 1000)

    def must(self, good, rule):
        if not good:
            self.say(rule)

    def before(self, border, slack=0):
        return border is None or self.fact["at"] < border + slack

    def request(self, request_id):
        return self.requests["ciba"].get(request_id) or self.requests["code"].get(request_id)

    # R1, R2, R15, R16

    def client(self):
        client = self.clients.get(self.fact["id"])
        if self.fact["type"] == "ClientRegistered":
            self.must(client is None, "R1")
            self.clients[self.fact["id"]] = {"disabled": None}
        elif client is None or client["disabled"] is not None:
            self.say("R1")
        elif self.fact["type"] == "ClientDisabled":
            client["disabled"] = self.moment()

    def active_client(self, client_id):
        client = self.clients.get(client_id)
        self.must(client is not None and self.goes_on(client["disabled"]), "R1")

    def psu(self):
        psu_id = self.fact["data"]["psuId"]
        self.must(psu_id == self.fact["id"], "R16")
        if self.fact["type"] == "PsuErased":
            self.must(self.fact["id"] not in self.erased, "R16")
            self.erased.setdefault(self.fact["id"], self.moment())

    def authentication(self):
        self.must(self.fact["revision"] == 0, "R15")
        data = self.fact["data"]
        if self.fact["type"] == "AuthenticationSucceeded" and data["flow"] == "ciba" and data["step"] == "basic":
            self.sessions[self.fact["id"]] = (data["psuId"], self.fact["at"])

    def device(self):
        data, kind, key = self.fact["data"], self.fact["type"], self.fact["id"]
        device = self.devices.get(key)
        psu_id = data["psuId"]
        if kind == "DeviceEnrolmentOffered":
            self.must(device is None, "R2")
            self.devices[key] = {"psuId": psu_id, "publicKey": None, "offerEndsAt": data["expiresAt"], "revoked": None}
        elif kind == "DeviceRegistered":
            if device is not None and device["publicKey"] is not None:
                self.say("R2")
            elif device is not None:
                self.must(device["psuId"] == psu_id and self.before(device["offerEndsAt"]), "R2")
            self.must(thumbprint(data["publicKey"]) == data["keyThumbprint"], "R2")
            self.devices[key] = {
                "psuId": psu_id,
                "publicKey": data["publicKey"],
                "keyThumbprint": data["keyThumbprint"],
                "dialect": data.get("dialect", "countersign"),
                "revoked": None,
            }
        elif device is None or device["publicKey"] is None or device["revoked"] is not None or device["psuId"] != psu_id:
            self.say("R2")
        elif kind == "DeviceRevoked":
            device["revoked"] = self.moment()

    def active_device(self, device_id, psu_id):
        device = self.devices.get(device_id)
        if device is None or device["publicKey"] is None or device["psuId"] != psu_id or not self.goes_on(device["revoked"]):
            self.say("R2")
            return None
        return device

    # R3 to R8

    def begin(self, flow, psu_id):
        data = self.fact["data"]
        request = {
            "flow": flow,
            "clientId": data["clientId"],
            "psuId": psu_id,
            "consentId": data["consentId"],
            "consentOrigin": data["consentOrigin"],
            "scope": data["scope"],
            "acr": data["acr"],
            "cert": data.get("certificateThumbprint"),
            "dpop": data.get("dpopKeyThumbprint"),
            "redirectUri": data.get("redirectUri"),
            "expiresAt": data["expiresAt"],
            "status": "pending",
            "asked": self.fact["opened"],
            "sessions": [],
            "showings": [],
            "answer": None,
            "answeredRevision": -1,
            "codeEndsAt": None,
        }
        self.active_client(request["clientId"])
        self.must(request["expiresAt"] > self.fact["at"], "R3")
        if request["consentOrigin"] == "request":
            self.must(request["consentId"] == self.fact["id"], "R3")
        else:
            consent = self.consents.get(request["consentId"])
            self.must(consent is not None and consent["clientId"] == request["clientId"], "R3")
        self.requests[flow][self.fact["id"]] = request

    def ciba(self):
        kind, data = self.fact["type"], self.fact["data"]
        request = self.requests["ciba"].get(self.fact["id"])
        if kind == "CibaRequestReceived":
            self.must(request is None, "R3")
            older_id = data.get("supersedes")
            if older_id is not None:
                older = self.requests["ciba"].get(older_id)
                self.must(not self.whole if older is None else older["clientId"] == data["clientId"], "R3")
            self.begin("ciba", data["psuId"])
        elif request is None:
            self.say("R3")
        elif kind == "ConsentRetrieved":
            psu_id, device_id, session_id = data["psuId"], data["deviceId"], data.get("sessionId")
            self.must(psu_id == request["psuId"], "R4")
            self.must(request["status"] == "pending" and self.before(request["expiresAt"]), "R4")
            self.must((device_id is None) != (session_id is None), "R4")
            device = None if device_id is None else self.active_device(device_id, psu_id)
            if session_id is not None:
                self.signed_in(session_id, psu_id)
            self.show(request, device_id if device_id is not None else session_id or "", device["dialect"] if device else None)
        elif kind in ("CibaRequestApproved", "CibaRequestDenied"):
            self.answer_ciba(request, "approved" if kind == "CibaRequestApproved" else "denied")
        elif kind == "CibaRequestCancelled":
            self.must(request["status"] == "pending", "R7")
            request["status"] = "cancelled"
        elif kind == "CibaRequestExpired":
            self.must(request["status"] == "pending" and not self.before(request["expiresAt"]), "R7")
            request["status"] = "expired"
        elif kind == "CibaRequestRedeemed":
            self.redeem(request, request["expiresAt"])

    def signed_in(self, session_id, psu_id):
        session = self.sessions.get(session_id)
        self.must(session is not None and session[0] == psu_id and self.before(session[1] + 600, OVERLAP), "R15")

    def answer_ciba(self, request, verdict):
        data = self.fact["data"]
        psu_id, device_id, session_id = data["psuId"], data["deviceId"], data.get("sessionId")
        self.must(request["status"] == "pending", "R5")
        self.must(self.before(request["expiresAt"]), "R5")
        names = ("psuId", "consentId", "consentOrigin")
        self.must(all(data[name] == request[name] for name in names), "R5")
        self.must((device_id is None) != (session_id is None) and (device_id is None) == (data["keyThumbprint"] is None), "R5")
        showing = self.last_showing(request, device_id if device_id is not None else session_id or "")
        self.must(showing is not None and showing["digest"] == data["digest"], "R5")
        device = None if device_id is None else self.active_device(device_id, psu_id)
        if device is not None:
            self.must(device["keyThumbprint"] == data["keyThumbprint"], "R5")
        if session_id is not None:
            self.signed_in(session_id, psu_id)
        self.evidence(verdict, device, device_id, showing)
        self.settle(request, verdict, device_id, self.fact["at"])

    def last_showing(self, request, place):
        found = [one for one in request["showings"] if one["place"] == place]
        return found[-1] if found else None

    def settle(self, request, verdict, device_id, auth_time):
        data, opened = self.fact["data"], self.fact["opened"]
        shown = [one for one in request["showings"] if one["digest"] == data["digest"]]
        request.update(status=verdict, answeredRevision=self.fact["revision"], showings=[], asked=None)
        request["answer"] = {
            "verdict": verdict,
            "psuId": data["psuId"],
            "deviceId": device_id,
            "digest": data["digest"],
            "consentRevision": shown[-1]["consentRevision"] if shown else -1,
            "at": self.fact["at"],
            "authTime": auth_time,
            "opened": opened,
        }

    def redeem(self, request, ends_at):
        self.must(request["status"] == "approved", "R8")
        self.must(ends_at is not None and self.before(ends_at), "R8")
        self.must(self.fact["data"]["grantId"] == self.fact["id"], "R8")
        self.active_client(request["clientId"])
        self.must(self.covered(request["consentId"], self.fact["id"]) != "no", "R8")
        request["status"] = "redeemed"

    def authorization(self):
        kind, data = self.fact["type"], self.fact["data"]
        request = self.requests["code"].get(self.fact["id"])
        if kind == "AuthorizationRequested":
            self.must(request is None, "R3")
            self.begin("code", data["requiredPsuId"])
        elif request is None:
            self.say("R3")
        elif kind == "AuthorizationPsuAuthenticated":
            self.must(request["status"] == "pending" and self.before(request["expiresAt"]), "R15")
            self.must(request["psuId"] is None or request["psuId"] == data["psuId"], "R15")
            request["sessions"].append((data["sessionId"], data["psuId"], self.fact["at"]))
        elif kind == "AuthorizationShown":
            self.must(request["status"] == "pending" and self.before(request["expiresAt"]), "R4")
            self.session(request)
            self.show(request, data["sessionId"], None)
        elif kind in ("AuthorizationApproved", "AuthorizationDenied"):
            verdict = "approved" if kind == "AuthorizationApproved" else "denied"
            self.must(request["status"] == "pending", "R5")
            self.must(self.before(request["expiresAt"]), "R5")
            self.must(all(data[name] == request[name] for name in ("consentId", "consentOrigin")), "R5")
            session = self.session(request)
            showing = self.last_showing(request, data["sessionId"])
            self.must(showing is not None and showing["digest"] == data["digest"], "R5")
            self.evidence(verdict, None, None, showing)
            self.settle(request, verdict, None, session[2] if session else self.fact["at"])
        elif kind == "AuthorizationCancelled":
            self.must(request["status"] == "pending" and self.before(request["expiresAt"]), "R7")
            request["status"] = "cancelled"
        elif kind == "AuthorizationCodeIssued":
            next_revision = self.fact["revision"] == request["answeredRevision"] + 1
            self.must(request["status"] == "approved" and request["codeEndsAt"] is None and next_revision, "R7")
            request["codeEndsAt"] = data["expiresAt"]
        elif kind == "AuthorizationCodeRedeemed":
            self.redeem(request, request["codeEndsAt"])

    def session(self, request):
        data = self.fact["data"]
        found = [one for one in request["sessions"] if one[0] == data["sessionId"]]
        session = found[0] if found else None
        self.must(session is not None and session[1] == data["psuId"], "R15")
        return session

    # R6

    def show(self, request, place, dialect):
        data = self.fact["data"]
        showing = {"place": place, "digest": data["digest"], "nonce": data["nonce"], "consentRevision": data["consentRevision"]}
        showing["shown"] = self.shown(request, dialect)
        request["showings"].append(showing)

    def shown(self, request, dialect):
        if self.fact["opened"] is None:
            return None
        text = self.fact["opened"].get("shown")
        if not isinstance(text, str):
            self.say("P3")
            return None
        try:
            digest = b64u(sha(text.encode("utf-8", "surrogatepass")))
        except ValueError:
            digest = ""
        self.must(digest == self.fact["data"]["digest"], "R6")
        shown = try_object(text)
        if shown is None:
            self.say("R6")
            return None
        is_phone = dialect in ("push", "push-auth")
        inner = lambda name: shown.get(name) if isinstance(shown.get(name), dict) else {}
        if is_phone:
            named = inner("data").get("pushId" if dialect == "push" else "sessionDataKey")
            good = named == session_of(self.fact["id"])
        else:
            said = lambda value, expected: value is MISSING or same(value, expected)
            good = (
                said(shown.get("request_id", MISSING), self.fact["id"])
                and said(shown.get("scope", MISSING), request["scope"])
                and said(inner("client").get("client_id", MISSING), request["clientId"])
                and said(inner("client").get("redirect_uri", MISSING), request["redirectUri"])
                and said(inner("consent").get("consent_id", MISSING), request["consentId"])
            )
        self.must(good, "R6")
        details, message = shown.get("authorization_details"), shown.get("binding_message")
        if request["asked"] is not None:
            asked = request["asked"]
            self.must(same(details, asked.get("authorizationDetails")) and same(message, asked.get("bindingMessage")), "R6")
        accounts = shown.get("accounts") if isinstance(shown.get("accounts"), list) else []
        return {
            "accountIds": [one.get("account_id") if isinstance(one, dict) else "" for one in accounts],
            "details": details if isinstance(details, list) else None,
            "whole": shown.get("whole") is True if is_phone else True,
            "message": message if isinstance(message, str) else "",
        }

    def evidence(self, verdict, device, device_id, showing):
        opened = self.fact["opened"]
        if opened is None:
            return
        jws, accounts, details = opened.get("answer"), opened.get("accountIds"), opened.get("authorizationDetails")
        if not is_kind(accounts, "l") or not (details is None or isinstance(details, list)):
            self.say("P3")
            return
        shown = showing and showing["shown"]
        if verdict == "approved" and shown:
            self.must(shown["whole"], "R6")
            some = len(accounts) > 0 or len(shown["accountIds"]) == 0
            self.must(some and len(set(accounts)) == len(accounts) and all(one in shown["accountIds"] for one in accounts), "R6")
            if details is None or shown["details"] is None:
                self.must(details is None and shown["details"] is None, "R6")
            else:
                self.must(len(details) > 0 and each_has_its_own(details, shown["details"], is_less_of), "R6")
        if device_id is None:
            self.must(jws is None, "R6")
            return
        if device is None:
            return
        claims = signed_claims(jws, device, device_id) if isinstance(jws, str) else None
        self.must(claims is not None and self.says_so(claims, verdict, device, device_id, showing, accounts, details), "R6")

    def says_so(self, claims, verdict, device, device_id, showing, accounts, details):
        shown = showing and showing["shown"]
        nonce = showing["nonce"] if showing else MISSING
        exp = claims.get("exp")
        if isinstance(exp, bool) or not isinstance(exp, (int, float)):
            return False
        if device["dialect"] == "countersign":
            expected = {
                "request_id": self.fact["id"],
                "device_id": device_id,
                "digest": self.fact["data"]["digest"],
                "nonce": nonce,
                "verdict": verdict,
            }
            if any(not same(claims.get(name, MISSING), value) for name, value in expected.items()):
                return False
            if exp <= self.fact["at"] or not same(claims.get("account_ids"), accounts):
                return False
            approved = claims.get("authorization_details")
            if verdict == "denied":
                return True
            if approved is None:
                return not shown or same(details, shown["details"])
            return same(details, approved)
        is_older = device["dialect"] == "push-auth"
        if is_older:
            session, challenge = claims.get("sid"), claims.get("chg")
            word = {"approved": "SUCCESSFUL", "denied": "DENIED"}[verdict]
            if claims.get("res") != word or claims.get("iss") != "wso2verify":
                return False
        elif device["dialect"] == "push":
            session = claims.get("pushAuthId")
            if session is None:
                session = claims.get("pushId")
            challenge = claims.get("challenge")
            if claims.get("response") != {"approved": "APPROVED", "denied": "DENIED"}[verdict]:
                return False
            message = shown["message"] if shown else ""
            if verdict == "approved" and re.fullmatch(r"[0-9]{1,3}", message, re.ASCII):
                number = claims.get("numberChallenge")
                number = str(int(number)) if is_int(number) else number
                if number != message:
                    return False
        else:
            return False
        if session != session_of(self.fact["id"]) or not isinstance(challenge, str):
            return False
        if b64u(sha(challenge.encode("utf-8", "replace"))) != nonce or exp <= self.fact["at"] - 330:
            return False
        named = [] if verdict == "denied" else accounts_named(claims.get("mta"))
        meant = named if named is not None else ([] if is_older else (shown["accountIds"] if shown else None))
        if meant is not None and not same(accounts, meant):
            return False
        return verdict == "denied" or not shown or same(details, shown["details"])

    # R9, R10

    def consent(self):
        kind, data, key = self.fact["type"], self.fact["data"], self.fact["id"]
        consent = self.consents.get(key)
        if kind == "ConsentLodged":
            self.must(consent is None, "R9")
            client = self.clients.get(data["clientId"])
            self.must(client is not None and (self.request(key) is not None or self.goes_on(client["disabled"])), "R1")
            self.must(self.before(data["expiresAt"]), "R9")
            awaits = data.get("awaitsUpload", False)
            self.consents[key] = {
                "status": "awaitingUpload" if awaits else "awaiting",
                "clientId": data["clientId"],
                "revision": self.fact["revision"],
                "authorisers": data.get("authorisers", []),
                "awaitsUpload": awaits,
                "expiresAt": data["expiresAt"],
                "authorisations": [],
                "past": [],
            }
            return
        if consent is None:
            self.say("R9")
            return
        stands = consent["status"] not in ("rejected", "revoked", "expired")
        in_time = self.before(consent["expiresAt"])
        if kind == "ConsentFileUploaded":
            self.must(consent["status"] == "awaitingUpload" and in_time, "R9")
            consent["status"] = "awaiting"
        elif kind in ("ConsentAuthorised", "ConsentAuthorisationGiven"):
            self.authorise(consent, in_time)
        elif kind == "ConsentRejected":
            self.answered(consent, "denied")
            self.end(consent, "rejected")
        elif kind == "ConsentAmended":
            self.must(stands and in_time, "R9")
            given = consent["authorisations"]
            self.must(data["endedRequests"] == [one[0] for one in given], "R9")
            if not consent["authorisers"]:
                consent["authorisers"] = [one[1] for one in given]
            self.end(consent, "awaitingUpload" if consent["awaitsUpload"] else "awaiting")
            consent["authorisations"] = []
            consent["expiresAt"] = data["expiresAt"]
        elif kind == "ConsentRevoked":
            self.must(stands, "R9")
            self.end(consent, "revoked")
        elif kind == "ConsentExpired":
            self.must(stands and not in_time, "R9")
            self.end(consent, "expired")
        if kind != "ConsentAuthorisationGiven":
            consent["revision"] = self.fact["revision"]

    def end(self, consent, status):
        if consent["status"] == "authorised":
            consent["past"] += [(request_id, self.moment()) for request_id, _ in consent["authorisations"]]
        consent["status"] = status

    def answered(self, consent, verdict):
        data = self.fact["data"]
        request = self.request(data["requestId"])
        answer = request and request["answer"]
        good = answer and answer["verdict"] == verdict and request["consentId"] == self.fact["id"]
        if not good or request["clientId"] != consent["clientId"]:
            self.say("R10")
            return None
        self.must(all(answer[name] == data[name] for name in ("psuId", "deviceId", "digest", "at")), "R10")
        if request["consentOrigin"] == "request":
            self.must(data["requestId"] == self.fact["id"] and self.fact["revision"] == 1, "R10")
        else:
            self.must(answer["consentRevision"] == consent["revision"], "R10")
        self.must(consent["status"] == "awaiting", "R10")
        self.must(not consent["authorisers"] or data["psuId"] in consent["authorisers"], "R10")
        return request

    def authorise(self, consent, in_time):
        data, opened = self.fact["data"], self.fact["opened"]
        request = self.answered(consent, "approved")
        self.must(in_time, "R10")
        agreed = [psu_id for _, psu_id in consent["authorisations"]]
        self.must(data["psuId"] not in agreed, "R10")
        is_last = all(one == data["psuId"] or one in agreed for one in consent["authorisers"])
        self.must(is_last == (self.fact["type"] == "ConsentAuthorised"), "R10")
        if opened is not None:
            details = opened.get("authorizationDetails")
            if "hasAuthorizationDetails" in data:
                self.must(data["hasAuthorizationDetails"] == (details is not None), "R10")
            given = request["answer"]["opened"] if request else None
            if given is not None and "accountIds" in given:
                good = same(given["accountIds"], opened.get("accountIds", MISSING)) and same(given.get("authorizationDetails"), details)
                self.must(good, "R10")
        consent["authorisations"].append((data["requestId"], data["psuId"]))
        if self.fact["type"] == "ConsentAuthorised":
            consent["status"] = "authorised"

    def covered(self, consent_id, request_id):
        consent = self.consents.get(consent_id)
        if consent is None:
            return "no"
        if consent["status"] == "authorised" and any(one[0] == request_id for one in consent["authorisations"]):
            if self.before(consent["expiresAt"]):
                return "yes"
            return "lately" if self.before(consent["expiresAt"], OVERLAP) else "no"
        ends = [end for one, end in consent["past"] if one == request_id]
        return "lately" if ends and self.goes_on(ends[-1]) else "no"

    # R11 to R14

    def grant(self):
        kind, data = self.fact["type"], self.fact["data"]
        grant = self.grants.get(self.fact["id"])
        if kind == "GrantOpened":
            self.must(grant is None, "R11")
            self.open_grant()
            return
        if grant is None:
            self.say("R11")
            return
        self.must(not grant["revoked"], "R14")
        if kind == "AccessTokenIssued":
            self.issue(grant)
        elif kind == "RefreshTokenIssued":
            replaces = data.get("replaces")
            self.must(grant["kind"] == "redeemed", "R13")
            if grant["refresh"] is None:
                self.must(replaces is None and self.fact["revision"] == 2, "R13")
            else:
                known, ends_at = grant["refresh"]
                self.must(replaces == known and data.get("nonce") is not None and data["expiresAt"] == ends_at, "R13")
            grant["refresh"] = (data["tokenHash"], data["expiresAt"])
        elif kind == "TokenResponseKept":
            self.must(data["requestId"] == grant["requestId"] and data["psuId"] == grant["psuId"], "R14")
        elif kind == "GrantRevoked":
            grant["revoked"] = True

    def open_grant(self):
        data, key = self.fact["data"], self.fact["id"]
        request_id = data["requestId"]
        self.active_client(data["clientId"])
        kind = "own" if request_id is None else "redeemed" if request_id == key else "asserted"
        self.grants[key] = {"kind": kind, "tokens": 0, "refresh": None, "revoked": False, **data}
        if request_id is None:
            self.must(all(data[name] is None for name in ("psuId", "consentId", "authTime", "acr")), "R11")
            return
        request = self.request(request_id)
        answer = request and request["answer"]
        if not answer or answer["verdict"] != "approved":
            self.say("R11")
            return
        good = all(data[name] == request[name] for name in ("clientId", "consentId", "acr")) and data["psuId"] == answer["psuId"]
        self.must(good, "R11")
        self.must(self.covered(data["consentId"], request_id) != "no", "R11")
        if kind == "asserted":
            self.must(within(data["scope"], request["scope"]) and data["authTime"] == answer["at"], "R11")
            return
        self.must(request["status"] == "redeemed", "R11")
        self.must(data["scope"] == request["scope"] and data["authTime"] == answer["authTime"], "R11")
        ends_at = request["codeEndsAt"] if request["codeEndsAt"] is not None else request["expiresAt"]
        self.must(self.before(ends_at, OVERLAP), "R11")
        for asked, member in ((request["cert"], "certificateThumbprint"), (request["dpop"], "dpopKeyThumbprint")):
            if asked is not None and member in data and data[member] != asked:
                self.say("R11")
                break

    def issue(self, grant):
        data = self.fact["data"]
        is_first = grant["tokens"] == 0
        grant["tokens"] += 1
        self.active_client(grant["clientId"])
        if is_first:
            self.must(self.fact["revision"] == 1 and data["scope"] == grant["scope"], "R12")
        else:
            self.must(within(data["scope"], grant["scope"]), "R12")
            self.must(grant["refresh"] is not None and self.before(grant["refresh"][1]), "R13")
        ends_at = data["expiresAt"]
        if grant["requestId"] is None:
            self.must(ends_at > self.fact["at"], "R12")
            return
        covered = self.covered(grant["consentId"], grant["requestId"])
        self.must(covered != "no", "R12")
        if covered == "yes":
            limit = self.consents[grant["consentId"]]["expiresAt"]
            self.must(ends_at > self.fact["at"] and (limit is None or ends_at <= limit), "R12")


def within(scope, whole):
    words = whole.split(" ")
    return all(word in words for word in scope.split(" "))


# --- All of it ------------------------------------------------------------------------------------------------------------------


class Verifier:
    def __init__(self, types):
        self.types = types

    def verify(self, lines, key=None, witnesses=(), quorum=0, kept=()):
        self.doubts = []
        self.facts = 0
        try:
            head = read_head(lines[0] if lines else b"")
        except Malformed:
            head = None
        extent = "whole" if head is None else "range" if head["range"] else "consent" if head["consent"] is not None else "whole"
        borders, newest = self.checkpoints(head, extent, key, witnesses, quorum, kept)
        if head is None:
            self.doubt("F1", None)
        elif (key is not None and key != head["key"]) or head["key"].split("+")[0] != head["origin"]:
            self.doubt("N4", None)
        self.begin(extent, head, borders, newest)
        following = 0
        if head is not None:
            for line in lines[1:]:
                try:
                    fact = read_fact(line)
                except Malformed:
                    self.doubt("F1", following)
                    following = None
                    break
                following = fact["index"] + 1
                self.fact(fact)
            if head["range"] and following is not None and following != head["range"]["to"] + 1:
                self.doubt("S1", following)
        self.end()
        indices = [index for _, index in self.doubts if index is not None]
        return {"verdict": "doubt" if self.doubts else "no doubt", "first": min(indices, default=None), "doubts": self.doubts}

    def doubt(self, rule, index):
        self.doubts.append([rule, index])

    def checkpoints(self, head, extent, key, witnesses, quorum, kept):
        opened = []
        try:
            log, others = Key(key if key is not None else head["key"] if head else "", 1), [Key(one, 4) for one in witnesses]
        except Malformed:
            self.doubt("N1", None)
            log = None
        notes = ([head["checkpoint"]] if head else []) + list(kept)
        for at, note in enumerate(notes):
            try:
                found = None if log is None else open_checkpoint(note, log, others)
                if found:
                    found["anchors"] = not kept or not head or at > 0
                opened.append(found)
            except Malformed:
                self.doubt("N1", None)
                opened.append(None)
        own = opened.pop(0) if head else None
        known = [one for one in [own, *opened] if one is not None]
        known.sort(key=lambda one: one["size"])
        newest = (known[-1] if known else None) if extent == "whole" else own
        if newest is None:
            self.doubt("N2", None)
        elif not any(one["cosignatures"] >= quorum for one in known):
            self.doubt("N3", None)
        if extent == "whole":
            return known, newest
        for one in opened:
            if one is None:
                continue
            proofs = [found["proof"] for found in head["proofs"] if found["size"] == one["size"]]
            proof = proofs[0] if proofs else []
            if newest is None or not consistent(one["size"], one["root"], newest["size"], newest["root"], proof):
                self.doubt("T5", None)
        return [], newest

    def begin(self, extent, head, borders, newest):
        self.extent, self.borders, self.newest = extent, borders, newest
        self.expected = 0 if extent == "whole" else head["range"]["from"] if head["range"] else None
        self.tree, self.anchor = Tree(), 0
        self.revisions, self.ids = {}, set()
        self.consent = head["consent"] if head else None
        self.is_of_consent = extent != "consent"
        self.rules = Rules(extent != "consent")
        self.replayed = extent != "range" or self.expected == 0
        self.unopened, self.erased = {}, set()

    def compare_roots(self):
        while self.borders and self.borders[0]["size"] == self.tree.size:
            border = self.borders.pop(0)
            if border["root"] == self.tree.root():
                self.anchor = border["size"] if border["anchors"] else self.anchor
            else:
                self.doubt("T1", self.anchor)

    def fact(self, fact):
        index, event = fact["index"], fact["event"]
        fact["place"] = place = self.facts if self.extent == "whole" else index
        say = lambda rule: self.doubt(rule, place)
        self.facts += 1
        self.is_of_consent |= event["correlationId"] == self.consent
        if self.expected is not None and (index < self.expected if self.extent == "consent" else index != self.expected):
            say("S1")
        self.expected = index + 1
        stream, revision = event["stream"], event["revision"]
        if revision != self.revisions.get(stream, 0 if self.replayed else revision):
            say("S2")
        self.revisions[stream] = revision + 1
        if event["id"] in self.ids:
            say("S3")
        self.ids.add(event["id"])
        leaf = leaf_hash(event, fact["sealedHash"])
        if self.extent == "whole":
            self.tree.append(leaf)
            self.compare_roots()
        elif self.newest is None or not included(index, self.newest["size"], leaf, fact["proof"] or [], self.newest["root"]):
            say("T3")
        known = self.types.get(event["type"])
        if known is None:
            say("S4")
        else:
            self.content(known, fact, say)

    def content(self, known, fact, say):
        event = fact["event"]
        stream, versions, number = event["stream"], known["versions"], event["version"]
        is_newer = number > len(versions)
        wanted = len(versions) if is_newer and event.get("compatibleFrom", number) <= len(versions) else number
        version = versions[wanted - 1] if 1 <= wanted <= len(versions) else None
        if version is None:
            say("S4")
            return
        data = members_in(event["data"], version, is_newer)
        if data is None:
            say("P1")
            return
        category = known["category"]
        key = stream[len(category) + 1 :]
        if not stream.startswith(category + "-") or key == "":
            say("S4")
        has_sealed = event["sealed"] is not None or fact["sealedHash"] is not None
        if version["sealed"] != "maybe" and has_sealed != (version["sealed"] == "always"):
            say("P2")
        psu_id = data.get("psuId")
        subject = psu_id if isinstance(psu_id, str) else f"{category} {key}"
        judged = {
            "type": event["type"],
            "id": key,
            "revision": event["revision"],
            "at": data["at"],
            "recordedAt": event["recordedAt"],
            "data": data,
            "sealedFor": subject if has_sealed else None,
            "opened": self.open(fact, subject, say) if has_sealed else None,
        }
        if category == "psu":
            if event["type"] == "PsuErased":
                self.erased.add(data["psuId"])
            elif event["type"] == "PsuDataExpired":
                for name in (f"{data['retention']}.{data['period']}", ""):
                    self.erased.add(f"{name}\n{data['psuId']}")
        if self.replayed:
            self.rules.judge(category, judged, say)

    def open(self, fact, subject, say):
        event = fact["event"]
        if event["sealed"] is None or fact["key"] is None:
            name = "" if event["sealed"] is None else key_name(event["sealed"]) or "all.-"
            self.unopened.setdefault(f"{name}\n{subject}", (subject, event["sealed"] is None, fact["place"]))
            return None
        context = "\n".join([event["stream"], str(event["revision"]), event["id"], event["type"], str(event["version"])])
        try:
            text = open_sealed(event["sealed"], context, fact["key"])
        except (Malformed, InvalidTag, ValueError):
            say("P3")
            return None
        personal = try_object(text)
        if personal is None:
            say("P3")
        return personal

    def end(self):
        if self.extent == "whole":
            self.compare_roots()
            for _ in self.borders:
                self.doubt("T2", self.anchor)
            if self.newest is not None and self.facts > self.newest["size"]:
                self.doubt("T2", self.newest["size"])
        if not self.is_of_consent:
            self.doubt("S5", None)
        for place, (subject, is_removed, index) in self.unopened.items():
            if is_removed and not {subject, place} & self.erased:
                self.doubt("P4", index)


def lines_of(path):
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def text_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def main():
    docs = sys.argv[1]
    verifier = Verifier(read_types(text_of(docs)))
    for path in sys.argv[2:]:
        print(json.dumps(verifier.verify(lines_of(path))))
    if len(sys.argv) > 2:
        return
    for line in sys.stdin:
        given = json.loads(line)
        kept = [text_of(path) for path in given.get("kept", [])]
        found = verifier.verify(lines_of(given["bundle"]), given.get("key"), given.get("witnesses", []), given.get("quorum", 0), kept)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
