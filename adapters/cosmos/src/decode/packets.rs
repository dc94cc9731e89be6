//! Channels of fungible tokens (ICS-20): what packets mean that leave and arrive.
//!
//! A packet that leaves carries a token that either has its home here (it is locked) or came over this channel (its
//! voucher is burned); by the token's path, as the specification has it. A packet that arrives moves value once its
//! acknowledgement is written and says so: it mints a voucher, or releases what had been locked. A time-out gives value
//! back to its sender here, and so does the acknowledgement that it was refused over there.
//!
//! How a packet ended stands in two events: the chain's own names the packet, and behind it, in the same message, the
//! application tells what it gave back to whom. They are joined before anything is read ([`join`]).

use portcullis_verifier::{B256, BridgeId, Event, Transfer, TransferKind, U256, keccak256};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{unmapped, value::Form};
use crate::{
    limits::JSON_ATTRIBUTE_BYTES,
    transport::{RawAttribute, RawEvent},
};

/// The event in which the application tells what it gave back for a packet that ran out.
const TIMEOUT: &str = "timeout";
/// The events in which it tells of a packet's acknowledgement.
const APPLICATION: &str = "fungible_token_packet";
/// Events of the application that one packet's end can have: what it carried, and how it ended.
const WORDS_MAX: usize = 2;
const SAYS_NOTHING: &str = "the application does not say what became of it";

/// Joins what the application says of a packet's end to the event of that end, for the events of one transaction in order:
/// each attribute under the name of its event. Between one packet's end and the next only this packet is spoken of.
///
/// SECURITY: contracts cannot emit events of these types, and hooks of other applications may emit more of them than a
/// plain refund has. More than belong there are joined all the same, so that an attribute that stands twice is believed in
/// neither place.
pub(crate) fn join(events: &mut [RawEvent], concerns: impl Fn(&RawEvent) -> bool) {
    for at in 0..events.len() {
        let Some((event, behind)) = events.get(at..).and_then(<[RawEvent]>::split_first) else { return };
        if !is_end(event) || !concerns(event) {
            continue;
        }
        let message = event.get(MESSAGE);
        let words = behind.iter().take_while(|one| !is_end(one) && one.get(MESSAGE) == message);
        let words = words.filter(|one| one.kind == TIMEOUT || one.kind == APPLICATION);
        let joined: Vec<RawAttribute> = words
            .take(WORDS_MAX.saturating_add(1))
            .flat_map(|word| {
                let own = word.attributes.iter().filter(|one| one.key != MESSAGE);
                own.map(|one| RawAttribute {
                    key: format!("{}.{}", word.kind, one.key),
                    value: one.value.clone(),
                })
            })
            .collect();
        if let Some(event) = events.get_mut(at) {
            event.attributes.extend(joined);
        }
    }
}

/// The attribute in which newer chains say of which message of the transaction an event is.
const MESSAGE: &str = "msg_index";

fn is_end(event: &RawEvent) -> bool {
    matches!(event.kind.as_str(), "timeout_packet" | "acknowledge_packet")
}

/// A token with its way, as the newest version of the application writes it.
#[derive(Debug, Deserialize)]
struct RefundedToken {
    denom: TokenWay,
    amount: String,
}

#[derive(Debug, Deserialize)]
struct TokenWay {
    base: String,
    #[serde(default)]
    trace: Option<Vec<Hop>>,
}

#[derive(Debug, Deserialize)]
struct Hop {
    port_id: String,
    channel_id: String,
}

/// Path and amount of a token.
fn refunded_token(text: &str) -> Result<(String, String), String> {
    if text.len() > JSON_ATTRIBUTE_BYTES {
        return Err("`refund_tokens` is too long to be read".to_owned());
    }
    let token: RefundedToken =
        serde_json::from_str(text).map_err(|error| format!("`refund_tokens`: {error}"))?;
    let hops = token.denom.trace.unwrap_or_default().into_iter();
    let hops = hops.flat_map(|hop| [hop.port_id, hop.channel_id]);
    let path: Vec<String> = hops.chain([token.denom.base]).collect();
    Ok((path.join("/"), token.amount))
}

/// What the application says under a name; none where it says nothing.
///
/// SECURITY: what it says twice is no answer: who reads the first and who reads the last would see two truths.
fn once<'e>(event: &'e RawEvent, kind: &str, name: &str) -> Result<Option<&'e str>, String> {
    let key = format!("{kind}.{name}");
    let mut named = event.attributes.iter().filter(|one| one.key == key);
    match (named.next(), named.next()) {
        (first, None) => Ok(first.map(|one| one.value.as_deref().unwrap_or_default())),
        (_, Some(_)) => Err(format!("the application says `{name}` twice of it")),
    }
}

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
            "send_packet" => self.sent(event).map(Some),
            "write_acknowledgement" => self.received(event),
            "timeout_packet" => self.timed_out(event).map(Some),
            "acknowledge_packet" => self.acknowledged(event),
            _ => return None,
        };
        let read = match read {
            Ok(read) => Ok(read?),
            Err(why) => Err(why),
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

    /// None where it was refused: nothing moved here, and the other side gives it back.
    fn received(&self, event: &RawEvent) -> Result<Option<Event>, String> {
        self.far_end(event, "src")?;
        let packet = data(event)?;
        let text = attribute(event, "packet_ack")?;
        let acknowledgement: Acknowledgement =
            serde_json::from_str(&text).map_err(|error| format!("its acknowledgement: {error}"))?;
        match acknowledgement {
            Acknowledgement { result: Some(_), error: None } => {}
            Acknowledgement { error: Some(_), result: None } => return Ok(None),
            _ => return Err("its acknowledgement says neither yes nor no".to_owned()),
        }
        // Over there the token's path begins with the far end where it came from here: it returns home.
        let moved = match packet.denom.strip_prefix(&format!("{}/{}/", self.far_port, self.far_channel)) {
            Some(home) => self.transfer(event, &packet, TransferKind::Release, &local_denom(home)),
            None => {
                let path = format!("{}/{}/{}", self.port, self.channel, packet.denom);
                self.transfer(event, &packet, TransferKind::Mint, &local_denom(&path))
            }
        };
        moved.map(Some)
    }

    /// It ran out, and its value went back to its sender.
    fn timed_out(&self, event: &RawEvent) -> Result<Event, String> {
        let told = |name| once(event, TIMEOUT, name);
        let to = told("refund_receiver")?.or(told("receiver")?).ok_or(SAYS_NOTHING)?;
        // The newest version tells the token with its way as JSON, all before it tell the path as text.
        let (denom, amount) = match (told("refund_tokens")?, told("refund_denom")?, told("refund_amount")?) {
            (Some(text), None, None) => refunded_token(text)?,
            (None, Some(denom), Some(amount)) => (denom.to_owned(), amount.to_owned()),
            _ => return Err(SAYS_NOTHING.to_owned()),
        };
        self.refund(event, denom, amount, to)
    }

    /// None where it was taken over there; its refusal gives its value back.
    fn acknowledged(&self, event: &RawEvent) -> Result<Option<Event>, String> {
        let told = |name| once(event, APPLICATION, name);
        match (told("success")?, told("error")?) {
            (Some(_), None) => Ok(None),
            (None, Some(_)) => {
                let (denom, amount, to) = (told("denom")?, told("amount")?, told("sender")?);
                let (Some(denom), Some(amount), Some(to)) = (denom, amount, to) else {
                    return Err(SAYS_NOTHING.to_owned());
                };
                self.refund(event, denom.to_owned(), amount.to_owned(), to).map(Some)
            }
            (None, None) => Err(SAYS_NOTHING.to_owned()),
            (Some(_), Some(_)) => Err("its acknowledgement says both yes and no".to_owned()),
        }
    }

    fn refund(&self, event: &RawEvent, denom: String, amount: String, to: &str) -> Result<Event, String> {
        self.far_end(event, "dst")?;
        let name = local_denom(&denom);
        let packet = TokenPacket { denom, amount, sender: to.to_owned(), receiver: to.to_owned() };
        self.transfer(event, &packet, TransferKind::Refund, &name)
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
