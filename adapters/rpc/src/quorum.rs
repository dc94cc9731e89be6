//! Asking all operators and grouping equal answers. What operators say is compared, never failed over.

use core::{future::Future, time::Duration};

use futures::stream::{FuturesUnordered, StreamExt};
use portcullis_verifier::OperatorId;

use crate::RpcError;

/// How long to listen once enough operators agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// For everybody, so that every dissenter is named.
    ForAll,
    /// So much longer; who has not answered by then is listed as unheard.
    Grace(Duration),
}

/// Equal answers, and who gave them.
pub type Group<T> = (T, Vec<OperatorId>);

/// Enough operators said the same.
#[derive(Debug)]
pub struct Agreement<T> {
    /// What they said.
    pub value: T,
    /// Who said it.
    pub agreeing: Vec<OperatorId>,
    /// What others said, and who.
    pub dissenting: Vec<Group<T>>,
    /// Who could not answer, and why.
    pub failed: Vec<(OperatorId, RpcError)>,
    /// Who had not answered when listening ended.
    pub unheard: Vec<OperatorId>,
}

/// Not enough operators said the same.
#[derive(Debug, thiserror::Error)]
#[error("no {needed} operators agree: {}", describe(.groups, .failed))]
pub struct Split<T> {
    /// How many had to agree.
    pub needed: usize,
    /// Who said what, largest group first.
    pub groups: Vec<Group<T>>,
    /// Who could not answer, and why.
    pub failed: Vec<(OperatorId, RpcError)>,
}

fn describe<T>(groups: &[Group<T>], failed: &[(OperatorId, RpcError)]) -> String {
    let agree = groups.iter().map(|(_, who)| {
        let names: Vec<&str> = who.iter().map(OperatorId::as_str).collect();
        format!("[{}] agree", names.join(", "))
    });
    let dark = failed.iter().map(|(who, error)| format!("{who}: {error}"));
    let parts: Vec<String> = agree.chain(dark).collect();
    if parts.is_empty() { "nobody answered".to_owned() } else { parts.join("; ") }
}

struct Tally<T> {
    groups: Vec<Group<T>>,
    failed: Vec<(OperatorId, RpcError)>,
}

impl<T: PartialEq> Tally<T> {
    fn add(&mut self, operator: OperatorId, answer: Result<T, RpcError>) {
        match answer {
            Err(error) => self.failed.push((operator, error)),
            Ok(value) => match self.groups.iter_mut().find(|(known, _)| *known == value) {
                Some((_, who)) => who.push(operator),
                None => self.groups.push((value, vec![operator])),
            },
        }
    }

    fn reached(&self, needed: usize) -> bool {
        self.groups.iter().any(|(_, who)| who.len() >= needed)
    }

    fn conclude(mut self, needed: usize, unheard: Vec<OperatorId>) -> Result<Agreement<T>, Split<T>> {
        // Stable: of equal groups the one that answered first stays first.
        self.groups.sort_by_key(|(_, who)| core::cmp::Reverse(who.len()));
        let rival = self.groups.get(1).map_or(0, |(_, who)| who.len());
        let best = self.groups.first().map_or(0, |(_, who)| who.len());
        // SECURITY: with a quorum of half or less, two answers can reach it. Equal halves agree on nothing.
        if best < needed.max(1) || best == rival {
            return Err(Split { needed, groups: self.groups, failed: self.failed });
        }
        let mut groups = self.groups.into_iter();
        match groups.next() {
            Some((value, agreeing)) => {
                Ok(Agreement { value, agreeing, dissenting: groups.collect(), failed: self.failed, unheard })
            }
            None => Err(Split { needed, groups: Vec::new(), failed: self.failed }),
        }
    }
}

/// Runs all questions at once and groups equal answers; `needed` of them must be equal.
///
/// # Errors
/// [`Split`] when too few are equal, or when two answers are given equally often.
pub async fn quorum<T, F>(
    questions: impl IntoIterator<Item = (OperatorId, F)>,
    needed: usize,
    wait: Wait,
) -> Result<Agreement<T>, Split<T>>
where
    T: PartialEq,
    F: Future<Output = Result<T, RpcError>>,
{
    let mut unheard = Vec::new();
    let mut open: FuturesUnordered<_> = questions
        .into_iter()
        .map(|(operator, question)| {
            unheard.push(operator);
            async move { (operator, question.await) }
        })
        .collect();
    let mut tally = Tally { groups: Vec::new(), failed: Vec::new() };
    while let Some((operator, answer)) = open.next().await {
        unheard.retain(|name| *name != operator);
        tally.add(operator, answer);
        if let Wait::Grace(grace) = wait
            && tally.reached(needed)
        {
            let rest = async {
                while let Some((operator, answer)) = open.next().await {
                    unheard.retain(|name| *name != operator);
                    tally.add(operator, answer);
                }
            };
            // Who is late is unheard, not wrong.
            let _late = tokio::time::timeout(grace, rest).await;
            break;
        }
    }
    drop(open);
    tally.conclude(needed, unheard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::{BoxFuture, FutureExt, pending, ready};

    fn name(text: &str) -> OperatorId {
        OperatorId::new(text).unwrap()
    }

    fn says(who: &str, value: u8) -> (OperatorId, BoxFuture<'static, Result<u8, RpcError>>) {
        (name(who), ready(Ok(value)).boxed())
    }

    #[tokio::test]
    async fn two_of_three_outvote_a_liar_and_name_it() {
        let agreed = quorum([says("a", 1), says("liar", 9), says("c", 1)], 2, Wait::ForAll).await.unwrap();
        assert_eq!((agreed.value, agreed.agreeing), (1, vec![name("a"), name("c")]));
        assert_eq!(agreed.dissenting, vec![(9, vec![name("liar")])]);
    }

    #[tokio::test]
    async fn equal_halves_agree_on_nothing_even_with_a_quorum_of_one() {
        let split = quorum([says("a", 1), says("b", 2)], 1, Wait::ForAll).await.unwrap_err();
        assert_eq!(split.groups.len(), 2);
        assert!(quorum([says("a", 1)], 1, Wait::ForAll).await.is_ok());
    }

    #[tokio::test]
    async fn who_cannot_answer_counts_for_nobody() {
        let dark = (name("dark"), ready(Err(RpcError::garbage("number"))).boxed());
        let split = quorum([says("a", 1), dark], 2, Wait::ForAll).await.unwrap_err();
        assert_eq!(split.failed.len(), 1);
        assert_eq!(split.groups, vec![(1, vec![name("a")])]);
        let nobody =
            quorum(Vec::<(OperatorId, BoxFuture<'static, Result<u8, RpcError>>)>::new(), 0, Wait::ForAll);
        assert!(nobody.await.is_err(), "a quorum of zero is not reached by silence");
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_grace_the_slow_are_unheard() {
        let slow = (name("slow"), pending().boxed());
        let agreed = quorum([says("a", 1), slow, says("c", 1)], 2, Wait::Grace(Duration::from_millis(5)))
            .await
            .unwrap();
        assert_eq!(agreed.unheard, vec![name("slow")]);
    }
}
