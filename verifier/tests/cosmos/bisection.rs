//! Bisection over a chain whose validators all change, one after the other.

use portcullis_verifier::cosmos::{Bisection, CosmosProofError, Need, Scrutiny};
use prost::Message;

use crate::fixture::{Block, Signer, just_after, read, set_of, signers, steady};

type Error = CosmosProofError;

/// At each height five of equal power; every two blocks the longest-serving one leaves.
fn turning(last: i64) -> Vec<Block> {
    let at = |height: i64| -> Vec<Signer> {
        let oldest = u8::try_from(height / 2).unwrap();
        signers(&[1, 2, 3, 4, 5].map(|seat| (oldest + seat, 10)))
    };
    let mut blocks: Vec<Block> = Vec::new();
    for height in 1..=last {
        let block = Block::new(height, &at(height), &at(height + 1), blocks.last());
        blocks.push(block);
    }
    blocks
}

fn start(blocks: &[Block], target: u64) -> Result<Bisection, Error> {
    Bisection::new(blocks[0].checkpoint(), &set_of(&blocks[0].next).encode_to_vec(), target)
}

fn walk(blocks: &[Block], walk: &mut Bisection, asked: &mut Vec<u64>) {
    let now = just_after(blocks.last().unwrap());
    while let Need::Header(height) = walk.next() {
        asked.push(height);
        let block = &blocks[usize::try_from(height).unwrap() - 1];
        walk.offer(block.fetched(), now, Scrutiny::Every).unwrap();
    }
}

#[test]
fn an_unchanged_set_needs_one_header() {
    let blocks = steady(40);
    let (mut steps, mut asked) = (start(&blocks, 40).unwrap(), Vec::new());
    walk(&blocks, &mut steps, &mut asked);
    assert_eq!(asked, [40]);
    assert_eq!(steps.header().unwrap().value().block(), blocks[39].block_ref());
}

#[test]
fn a_set_that_turned_over_is_followed_and_the_steps_are_evidence() {
    let blocks = turning(41);
    let (mut steps, mut asked) = (start(&blocks, 41).unwrap(), Vec::new());
    walk(&blocks, &mut steps, &mut asked);
    assert_eq!(asked[..3], [41, 21, 11], "halved until it can be reached");
    assert!(asked.len() < 30, "{asked:?}");
    assert_eq!(steps.fetches(), asked.len());
    assert_eq!(steps.client().block, blocks[40].block_ref());
    // Whoever starts at the same checkpoint comes to the same header by the steps alone.
    let mut client = blocks[0].checkpoint();
    for step in steps.steps() {
        let now = just_after(&blocks[40]);
        let update = read(step).unwrap();
        let verdict = portcullis_verifier::cosmos::verify_update(&client, &update, now, Scrutiny::Every);
        let Ok(portcullis_verifier::cosmos::Step::Accepted(header)) = verdict else { panic!("{verdict:?}") };
        client = client.advanced(&header);
    }
    assert_eq!(client, *steps.client());
}

#[test]
fn sequential_is_bisection_to_each_next_height() {
    let blocks = turning(12);
    let mut client = blocks[0].checkpoint();
    for pair in blocks.windows(2) {
        let [from, to] = pair else { panic!() };
        let next = set_of(&from.next).encode_to_vec();
        let mut one = Bisection::new(client, &next, from.block_ref().height + 1).unwrap();
        one.offer(to.fetched(), just_after(to), Scrutiny::Every).unwrap();
        assert_eq!((one.next(), one.steps()[0].trusted_validators.is_none()), (Need::Nothing, true));
        client = one.client().clone();
    }
    assert_eq!(client.block, blocks[11].block_ref());
}

#[test]
fn a_wrong_start_and_wrong_answers_are_refused_and_the_walk_goes_on() {
    let blocks = turning(20);
    assert!(matches!(start(&blocks, 1), Err(Error::HeightNotLater { trusted: 1, found: 1 })));
    let strangers = set_of(&signers(&[(90, 10)])).encode_to_vec();
    let other = Bisection::new(blocks[0].checkpoint(), &strangers, 20);
    assert!(matches!(other, Err(Error::TrustedValidators { .. })));
    let mut steps = start(&blocks, 20).unwrap();
    let now = just_after(&blocks[19]);
    let error = steps.offer(blocks[7].fetched(), now, Scrutiny::Every).unwrap_err();
    assert_eq!(error, Error::Reach { expected: 20, found: 8 });
    let mut lying = blocks[19].fetched();
    lying.next_validators = set_of(&blocks[0].next).encode_to_vec();
    let error = steps.offer(lying, now, Scrutiny::Every).unwrap_err();
    assert!(matches!(error, Error::ValidatorsHash { .. }), "{error}");
    walk(&blocks, &mut steps, &mut Vec::new());
    assert_eq!(steps.client().block, blocks[19].block_ref());
}

#[test]
fn a_source_that_leads_nowhere_is_given_up() {
    let blocks = turning(20);
    let mut steps = start(&blocks, 20).unwrap();
    let error = (0..200).find_map(|_| {
        match steps.offer(blocks[0].fetched(), just_after(&blocks[19]), Scrutiny::Every) {
            Err(error @ Error::Bisection { .. }) => Some(error),
            _ => None,
        }
    });
    assert_eq!(error, Some(Error::Bisection { from: 1, to: 20, fetches: 128 }));
}
