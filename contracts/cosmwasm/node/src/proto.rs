//! The few messages that are sent here, in protobuf: fields in the order of their numbers, empty ones left out.

/// A message of a transaction: its type and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// As in `/cosmos.bank.v1beta1.MsgSend`.
    pub type_url: String,
    /// Protobuf.
    pub value: Vec<u8>,
}

impl Message {
    pub(crate) fn any(&self) -> Vec<u8> {
        Fields::default().text(1, &self.type_url).bytes(2, &self.value).0
    }
}

/// Fields that have been written.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<u8>);

impl Fields {
    pub(crate) fn bytes(mut self, number: u8, value: &[u8]) -> Self {
        if !value.is_empty() {
            self.0.push(number << 3 | 2);
            varint(&mut self.0, value.len() as u64);
            self.0.extend(value);
        }
        self
    }

    pub(crate) fn text(self, number: u8, value: &str) -> Self {
        self.bytes(number, value.as_bytes())
    }

    pub(crate) fn number(mut self, number: u8, value: u64) -> Self {
        if value != 0 {
            self.0.push(number << 3);
            varint(&mut self.0, value);
        }
        self
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What stands in a field.
#[derive(Debug, Clone, Copy)]
enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message in order; what is broken ends them.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Content<'_>)> {
    std::iter::from_fn(move || {
        let tag = take_varint(&mut bytes)?;
        let content = match tag & 7 {
            0 => Content::Number(take_varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Content::Bytes(value)
            }
            _ => return None,
        };
        Some((tag >> 3, content))
    })
}

/// Every field of this number that has bytes.
pub(crate) fn find_all(bytes: &[u8], wanted: u64) -> impl Iterator<Item = Vec<u8>> {
    fields(bytes).filter_map(move |field| match field {
        (number, Content::Bytes(value)) if number == wanted => Some(value.to_vec()),
        _ => None,
    })
}

/// The first field of this number that has bytes.
pub(crate) fn find(bytes: &[u8], wanted: u64) -> Option<Vec<u8>> {
    find_all(bytes, wanted).next()
}

/// The first field of this number that is a number.
pub(crate) fn find_number(bytes: &[u8], wanted: u64) -> Option<u64> {
    fields(bytes).find_map(|field| match field {
        (number, Content::Number(value)) if number == wanted => Some(value),
        _ => None,
    })
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (&first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Uploads code.
#[must_use]
pub fn store_code(sender: &str, wasm: &[u8]) -> Message {
    Message {
        type_url: "/cosmwasm.wasm.v1.MsgStoreCode".to_owned(),
        value: Fields::default().text(1, sender).bytes(2, wasm).0,
    }
}

/// Makes a contract from code, without an admin.
#[must_use]
pub fn instantiate(sender: &str, code: u64, label: &str, msg: &str) -> Message {
    let value = Fields::default().text(1, sender).number(3, code).text(4, label).text(5, msg);
    Message { type_url: "/cosmwasm.wasm.v1.MsgInstantiateContract".to_owned(), value: value.0 }
}

/// Calls a contract, with coins: amount and denomination.
#[must_use]
pub fn execute(sender: &str, contract: &str, msg: &str, funds: &[(u64, &str)]) -> Message {
    let value = Fields::default().text(1, sender).text(2, contract).text(3, msg);
    let value = funds.iter().fold(value, |value, (amount, denom)| value.bytes(5, &coin(*amount, denom)));
    Message { type_url: "/cosmwasm.wasm.v1.MsgExecuteContract".to_owned(), value: value.0 }
}

/// Sends coins.
#[must_use]
pub fn bank_send(from: &str, to: &str, amount: u64, denom: &str) -> Message {
    Message {
        type_url: "/cosmos.bank.v1beta1.MsgSend".to_owned(),
        value: Fields::default().text(1, from).text(2, to).bytes(3, &coin(amount, denom)).0,
    }
}

/// Opens a message type that x/circuit has closed.
#[must_use]
pub fn circuit_reset(authority: &str, type_url: &str) -> Message {
    Message {
        type_url: "/cosmos.circuit.v1.MsgResetCircuitBreaker".to_owned(),
        value: Fields::default().text(1, authority).text(3, type_url).0,
    }
}

pub(crate) fn coin(amount: u64, denom: &str) -> Vec<u8> {
    Fields::default().text(1, denom).text(2, &amount.to_string()).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_protobuf_says_and_found_again() {
        let fields = Fields::default().number(1, 300).text(2, "testing").number(3, 0).bytes(4, &[]);
        assert_eq!(fields.0, [&[0x08, 0xac, 0x02, 0x12, 0x07][..], b"testing"].concat());
        assert_eq!(find(&fields.0, 2).as_deref(), Some(&b"testing"[..]));
        assert_eq!(find(&fields.0, 4), None);
        assert_eq!(find(&[0x12, 0x07, 1], 2), None, "cut short");
    }
}
