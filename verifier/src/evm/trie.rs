//! One key's path through a Merkle Patricia trie (Ethereum yellow paper, appendix D).
//!
//! The walk is written here rather than taken from a library for three reasons. It returns *what is there*,
//! where others compare with what is expected and leave the caller to guess between absent and truncated. It
//! refuses every node that it did not need, and every form that no client writes. And it allocates nothing.

use alloy_primitives::{B256, keccak256};
use alloy_rlp::{EMPTY_STRING_CODE, Header};
use alloy_trie::EMPTY_ROOT_HASH;

use super::limits::MAX_PROOF_NODES;

/// Why a path does not verify. `at` is the node's place on the path, the root's being 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrieError {
    /// More nodes than any key can have.
    #[error("{found} nodes, at most {limit} are accepted")]
    TooManyNodes {
        /// How many came.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// A node larger than any of its kind.
    #[error("node {at} has {found} bytes, at most {limit} are accepted")]
    NodeTooLarge {
        /// Which node.
        at: usize,
        /// Its length in bytes.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// The path leads on to a node that was not given. Never absence.
    #[error("the path ends after {at} nodes and leads on to {expected}")]
    Truncated {
        /// How many nodes were given.
        at: usize,
        /// Hash of the missing node.
        expected: B256,
    },
    /// A node is not the one that its parent names.
    #[error("node {at} hashes to {found}, expected {expected}")]
    NodeHash {
        /// Which node.
        at: usize,
        /// Hash in its parent, or the root.
        expected: B256,
        /// Its own hash.
        found: B256,
    },
    /// Nodes that the path does not use.
    #[error("{given} nodes were given, the path uses {used}")]
    UnusedNodes {
        /// How many the path uses.
        used: usize,
        /// How many came.
        given: usize,
    },
    /// A node that is not RLP.
    #[error("node {at} is not RLP")]
    Rlp {
        /// Which node.
        at: usize,
        /// What the decoder found.
        source: alloy_rlp::Error,
    },
    /// RLP, but no node of a canonical trie.
    #[error("node {at} is not a trie node: {why}")]
    Shape {
        /// Which node.
        at: usize,
        /// Which rule it breaks.
        why: &'static str,
    },
}

/// What the trie holds at `key` (given as bytes, two nibbles each): `Some` value, or `None` where the path
/// proves that there is nothing.
///
/// `nodes` are the hashed nodes from the root down; nodes that are embedded in their parent are not repeated. An
/// empty trie may be given by no node at all or by the one node `0x80`.
///
/// # Errors
/// [`TrieError`] for anything but one complete, minimal path.
pub fn walk<'a, N: AsRef<[u8]>>(
    root: B256,
    key: &[u8],
    nodes: &'a [N],
    max_node_bytes: usize,
) -> Result<Option<&'a [u8]>, TrieError> {
    check_sizes(nodes, max_node_bytes)?;
    if root == EMPTY_ROOT_HASH {
        return walk_empty(nodes);
    }
    let mut rest = nodes.iter().map(AsRef::as_ref);
    let mut used: usize = 0;
    let mut next = Reference::Hash(root);
    let mut path = Path { key, from: 0 };
    let found = loop {
        let node = match next {
            Reference::Embedded(bytes) => bytes,
            Reference::Hash(expected) => {
                // SECURITY: a missing node is an error of its own. A verifier that takes the end of the list for
                // the end of the path lets anybody "prove" absence by sending less.
                let bytes = rest.next().ok_or(TrieError::Truncated { at: used, expected })?;
                check_hash(used, expected, bytes)?;
                used = used.saturating_add(1);
                bytes
            }
        };
        match step(node, &mut path).map_err(|fault| fault.at(used.saturating_sub(1)))? {
            Step::Down(reference) => next = reference,
            Step::End(found) => break found,
        }
    };
    if used == nodes.len() { Ok(found) } else { Err(TrieError::UnusedNodes { used, given: nodes.len() }) }
}

fn check_sizes<N: AsRef<[u8]>>(nodes: &[N], max_node_bytes: usize) -> Result<(), TrieError> {
    if nodes.len() > MAX_PROOF_NODES {
        return Err(TrieError::TooManyNodes { found: nodes.len(), limit: MAX_PROOF_NODES });
    }
    match nodes.iter().map(|node| node.as_ref().len()).enumerate().find(|(_, len)| *len > max_node_bytes) {
        Some((at, found)) => Err(TrieError::NodeTooLarge { at, found, limit: max_node_bytes }),
        None => Ok(()),
    }
}

/// The empty trie's root is the hash of one known node, so nothing has to be sent to know its content.
fn walk_empty<N: AsRef<[u8]>>(nodes: &[N]) -> Result<Option<&[u8]>, TrieError> {
    match nodes {
        [] => Ok(None),
        [only] if only.as_ref() == [EMPTY_STRING_CODE] => Ok(None),
        _ => Err(TrieError::UnusedNodes { used: 0, given: nodes.len() }),
    }
}

fn check_hash(at: usize, expected: B256, bytes: &[u8]) -> Result<(), TrieError> {
    let found = keccak256(bytes);
    if found != expected {
        return Err(TrieError::NodeHash { at, expected, found });
    }
    // Below the root, a node of less than 32 bytes is embedded in its parent and never named by hash.
    if at > 0 && bytes.len() < 32 {
        return Err(TrieError::Shape { at, why: "named by hash though it is shorter than one" });
    }
    Ok(())
}

/// Where a key still has to go.
struct Path<'k> {
    key: &'k [u8],
    /// Nibbles that have been walked.
    from: usize,
}

impl Path<'_> {
    /// Nibble `ahead` places ahead, or none behind the key's end.
    fn nibble(&self, ahead: usize) -> Option<usize> {
        let place = self.from.checked_add(ahead)?;
        let byte = *self.key.get(place >> 1)?;
        Some(usize::from(if place & 1 == 0 { byte >> 4 } else { byte & 0x0f }))
    }

    fn advance(&mut self, nibbles: usize) {
        self.from = self.from.saturating_add(nibbles);
    }
}

/// How a parent names its child.
enum Reference<'a> {
    Hash(B256),
    Embedded(&'a [u8]),
}

enum Step<'a> {
    Down(Reference<'a>),
    End(Option<&'a [u8]>),
}

/// A fault of a node, before its place is known.
enum Fault {
    Rlp(alloy_rlp::Error),
    Shape(&'static str),
}

impl Fault {
    fn at(self, at: usize) -> TrieError {
        match self {
            Self::Rlp(source) => TrieError::Rlp { at, source },
            Self::Shape(why) => TrieError::Shape { at, why },
        }
    }
}

impl From<alloy_rlp::Error> for Fault {
    fn from(source: alloy_rlp::Error) -> Self {
        Self::Rlp(source)
    }
}

/// One RLP item with its place in the node.
#[derive(Clone, Copy, Default)]
struct Item<'a> {
    list: bool,
    /// With its header.
    raw: &'a [u8],
    /// Without.
    payload: &'a [u8],
}

impl<'a> Item<'a> {
    /// Takes the first item off `rest`.
    fn take(rest: &mut &'a [u8]) -> Result<Self, Fault> {
        let whole = *rest;
        let Header { list, payload_length } = Header::decode(rest)?;
        let short = alloy_rlp::Error::InputTooShort;
        let (payload, behind) = rest.split_at_checked(payload_length).ok_or(short)?;
        *rest = behind;
        let raw = whole.get(..whole.len().saturating_sub(behind.len())).ok_or(short)?;
        Ok(Self { list, raw, payload })
    }

    fn string(self, why: &'static str) -> Result<&'a [u8], Fault> {
        if self.list { Err(Fault::Shape(why)) } else { Ok(self.payload) }
    }

    fn is_empty_string(self) -> bool {
        self.raw == [EMPTY_STRING_CODE]
    }

    fn reference(self) -> Result<Reference<'a>, Fault> {
        if self.list {
            if self.raw.len() < 32 {
                return Ok(Reference::Embedded(self.raw));
            }
            return Err(Fault::Shape("an embedded child of 32 bytes or more"));
        }
        B256::try_from(self.payload)
            .map(Reference::Hash)
            .map_err(|_wrong_length| Fault::Shape("a child that is neither a hash nor a node"))
    }
}

const BRANCH_ITEMS: usize = 17;

/// Reads one node and takes one step along the path.
fn step<'a>(node: &'a [u8], path: &mut Path<'_>) -> Result<Step<'a>, Fault> {
    let mut behind = node;
    let list = Item::take(&mut behind)?;
    if !behind.is_empty() {
        return Err(Fault::Shape("bytes behind the node"));
    }
    if !list.list {
        return Err(Fault::Shape("a string"));
    }
    let mut items = [Item::default(); BRANCH_ITEMS];
    let mut count: usize = 0;
    let mut rest = list.payload;
    while !rest.is_empty() {
        let item = Item::take(&mut rest)?;
        *items.get_mut(count).ok_or(Fault::Shape("more than 17 items"))? = item;
        count = count.saturating_add(1);
    }
    match (count, items) {
        (BRANCH_ITEMS, items) => step_branch(&items, path),
        (2, [partial, target, ..]) => step_short(partial, target, path),
        _ => Err(Fault::Shape("neither 2 nor 17 items")),
    }
}

fn step_branch<'a>(items: &[Item<'a>; BRANCH_ITEMS], path: &mut Path<'_>) -> Result<Step<'a>, Fault> {
    let Some(nibble) = path.nibble(0) else {
        // The key ends here: what is stored under it is the branch's own value.
        let [.., value] = items;
        let value = value.string("a branch value that is a list")?;
        return Ok(Step::End(if value.is_empty() { None } else { Some(value) }));
    };
    path.advance(1);
    match items.get(nibble) {
        Some(child) if child.is_empty_string() => Ok(Step::End(None)),
        Some(child) => child.reference().map(Step::Down),
        None => Err(Fault::Shape("no such child")),
    }
}

/// A leaf or an extension: a stretch of path in hex-prefix encoding (yellow paper, appendix C), then a value or
/// a child.
fn step_short<'a>(partial: Item<'a>, target: Item<'a>, path: &mut Path<'_>) -> Result<Step<'a>, Fault> {
    let partial = partial.string("a path that is a list")?;
    let (&first, full) = partial.split_first().ok_or(Fault::Shape("an empty path"))?;
    let odd = first & 0x10 != 0;
    let leaf = first & 0x20 != 0;
    if first & 0xc0 != 0 || (!odd && first & 0x0f != 0) {
        return Err(Fault::Shape("a path with unknown flags"));
    }
    let head = odd.then_some(usize::from(first & 0x0f));
    let tail = full.iter().flat_map(|byte| [usize::from(byte >> 4), usize::from(byte & 0x0f)]);
    let mut length: usize = 0;
    let mut along = true;
    for nibble in head.into_iter().chain(tail) {
        along = along && path.nibble(length) == Some(nibble);
        length = length.saturating_add(1);
    }
    if leaf {
        let value = target.string("a leaf value that is a list")?;
        if value.is_empty() {
            return Err(Fault::Shape("a leaf without a value"));
        }
        let ends_here = along && path.nibble(length).is_none();
        return Ok(Step::End(ends_here.then_some(value)));
    }
    if length == 0 {
        return Err(Fault::Shape("an extension that does not extend"));
    }
    let child = target.reference()?;
    if !along {
        return Ok(Step::End(None));
    }
    path.advance(length);
    Ok(Step::Down(child))
}
