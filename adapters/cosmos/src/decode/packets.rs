//! Channels of fungible tokens (ICS-20): what packets mean that leave and arrive.
//!
//! A packet that leaves carries a token that either has its home here (it is locked) or came over this channel (its
//! voucher is burned); by the token's path, as the specification has it. A packet that arrives moves value once its
//! acknowledgement is written and says so: it mints a voucher, or releases what had been locked. A time-out gives value
//! back to its sender, and so does a refusal on the other side; the vocabulary has no such event, so that time-outs
//! and refusals here are kept and shown.

use portcullis_verifier::{B256, BridgeId, Event, Transfer, TransferKind, U256, keccak256};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{unmapped, value::Form};
use crate::{limits::JSON_ATTRIBUTE_BYTES, transport::RawEvent};

/// One channel.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) bridge: BridgeId,
    pub(crate) domain: B256,
    pub(crate) remote: B256,
    pub(crate) prefix: String,
    pub(crate) port: String,
    pub(crate) channel: String,
    pub(crate) far_port: String,
    pub(crate) far_channel: String,
}

/// What a packet of this application carries.
#[derive(Debug, Deserialize)]
struct TokenPacket {
    denom: String,
    amount: String,
    sender: String,
    receiver: String,
}

/// An acknowledgement: one of the two.
#[derive(Debug, Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

impl Channel {
    /// Whether the event is of a packet of this channel.
    pub(super) fn concerns(&self, event: &RawEvent) -> bool {
        match event.kind.as_str() {
            "send_packet" | "acknowledge_packet" | "timeout_packet" => self.is_ours(event, "src"),
            "write_acknowledgement" => self.is_ours(event, "dst"),
            _ => false,
        }
    }

    fn is_ours(&self, event: &RawEvent, side: &str) -> bool {
        event.get(&format!("packet_{side}_port")) == Some(self.port.as_str())
            && event.get(&format!("packet_{side}_channel")) == Some(self.channel.as_str())
    }

    /// What an event means; none when it is another's, or when nothing moved and nothing is wrong.
    pub(super) fn meaning(&self, event: &RawEvent) -> Option<Event> {
        if !self.concerns(event) {
            return None;
        }
        let read = match event.kind.as_str() {
            "send_packet" => self.sent(event),
            "write_acknowledgement" => self.received(event),
            "timeout_packet" => Err("it ran out, and its value went back to the sender".to_owned()),
            // The chain does not say here what was acknowledged. A failure is seen where the packet was refused.
            _ => return None,
        };
        Some(read.unwrap_or_else(|why| {
            let sequence = event.get("packet_sequence").unwrap_or("without a number");
            let name = keccak256(format!("{}/{}", self.port, self.channel));
            unmapped(self.bridge, name, event, &format!("packet {sequence}: {why}"))
        }))
    }

    fn sent(&self, event: &RawEvent) -> Result<Event, String> {
        self.far_end(event, "dst")?;
        let packet = data(event)?;
        // The token came over this channel: what goes back is its voucher.
        let home = format!("{}/{}/", self.port, self.channel);
        let kind = if packet.denom.starts_with(&home) { TransferKind::Burn } else { TransferKind::Lock };
        self.transfer(event, &packet, kind, &local_denom(&packet.denom))
    }

    fn received(&self, event: &RawEvent) -> Result<Event, String> {
        self.far_end(event, "src")?;
        let packet = data(event)?;
        let text = attribute(event, "packet_ack")?;
        let acknowledgement: Acknowledgement =
            serde_json::from_str(&text).map_err(|error| format!("its acknowledgement: {error}"))?;
        match acknowledgement {
            Acknowledgement { result: Some(_), error: None } => {}
            Acknowledgement { error: Some(_), result: None } => {
                return Err("it was refused here, and nothing moved".to_owned());
            }
            _ => return Err("its acknowledgement says neither yes nor no".to_owned()),
        }
        // Over there the token's path begins with the far end where it came from here: it returns home.
        match packet.denom.strip_prefix(&format!("{}/{}/", self.far_port, self.far_channel)) {
            Some(home) => self.transfer(event, &packet, TransferKind::Release, &local_denom(home)),
            None => {
                let path = format!("{}/{}/{}", self.port, self.channel, packet.denom);
                self.transfer(event, &packet, TransferKind::Mint, &local_denom(&path))
            }
        }
    }

    /// SECURITY: a channel's far end is fixed when it opens; an event that names another is not this channel's.
    fn far_end(&self, event: &RawEvent, side: &str) -> Result<(), String> {
        let port = event.get(&format!("packet_{side}_port"));
        let channel = event.get(&format!("packet_{side}_channel"));
        if port == Some(self.far_port.as_str()) && channel == Some(self.far_channel.as_str()) {
            Ok(())
        } else {
            let found = format!("{}/{}", port.unwrap_or("?"), channel.unwrap_or("?"));
            Err(format!("its far end is {found}, not {}/{}", self.far_port, self.far_channel))
        }
    }

    fn transfer(
        &self,
        event: &RawEvent,
        packet: &TokenPacket,
        kind: TransferKind,
        denom: &str,
    ) -> Result<Event, String> {
        let sequence = event.get("packet_sequence").ok_or("it has no number")?;
        let number = |text: &str| Form::Number.read(text, &self.prefix);
        let account = |text: &str| Form::Account.read(text, &self.prefix);
        Ok(Event::Transfer(Transfer {
            kind,
            bridge: self.bridge,
            local: self.domain,
            remote: self.remote,
            message_id: number(sequence).map_err(|why| format!("its number: {why}"))?,
            asset: keccak256(denom),
            amount: U256::from_be_bytes(
                number(&packet.amount).map_err(|why| format!("its amount: {why}"))?.0,
            ),
            // Who sends and receives on other kinds of chains may be written in any way: then by its text.
            sender: Some(account(&packet.sender).unwrap_or_else(|_other| keccak256(&packet.sender))),
            recipient: account(&packet.receiver).unwrap_or_else(|_other| keccak256(&packet.receiver)),
        }))
    }
}

/// What a token with this path is called here: its own name at home, else `ibc/` and the hash of the path.
pub(super) fn local_denom(path: &str) -> String {
    // A path of hops begins with a port and a channel; a token of this chain may have slashes of its own.
    let mut parts = path.splitn(3, '/');
    let (port, channel, rest) = (parts.next(), parts.next(), parts.next());
    let hop = channel
        .and_then(|channel| channel.strip_prefix("channel-"))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    if port.is_some_and(|port| !port.is_empty()) && hop && rest.is_some() {
        let digits: String =
            Sha256::digest(path.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect();
        format!("ibc/{digits}")
    } else {
        path.to_owned()
    }
}

/// The packet's content, which older nodes write as text and all write in hexadecimal digits.
fn data(event: &RawEvent) -> Result<TokenPacket, String> {
    let text = attribute(event, "packet_data")?;
    serde_json::from_str(&text).map_err(|error| format!("its content: {error}"))
}

fn attribute(event: &RawEvent, name: &str) -> Result<String, String> {
    let text = match event.get(&format!("{name}_hex")) {
        Some(digits) => {
            if digits.len() > JSON_ATTRIBUTE_BYTES {
                return Err(format!("`{name}_hex` is too long to be read"));
            }
            let bytes = unhex(digits).ok_or_else(|| format!("`{name}_hex` is not hexadecimal"))?;
            String::from_utf8(bytes).map_err(|_not_text| format!("`{name}_hex` is no text"))?
        }
        None => event.get(name).ok_or_else(|| format!("it has no `{name}`"))?.to_owned(),
    };
    if text.len() > JSON_ATTRIBUTE_BYTES { Err(format!("`{name}` is too long to be read")) } else { Ok(text) }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = digits.as_bytes();
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match pair {
            [high, low] => Some(nibble(*high)?.checked_shl(4)? | nibble(*low)?),
            _ => None,
        })
        .collect()
}
