//! Who is told when: one notice per bridge and cause in a quiet window, unless it got worse.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{ActionClass, B256};

use crate::{effect::Cause, limits, names::BridgeNo};

#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
struct Last {
    occurred_secs: u64,
    told_secs: u64,
    class: ActionClass,
}

/// What people were told.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Notices {
    last: BTreeMap<(BridgeNo, Cause), Last>,
    /// Events told of in this step: what one event trips in several detectors is told once.
    events: Vec<(B256, ActionClass)>,
}

impl Notices {
    /// A new step begins.
    pub(crate) fn begin_step(&mut self) {
        self.events.clear();
    }

    /// True when people should be told now.
    ///
    /// Each occurrence restarts the quiet window, so that a trickle does not wake anybody each day; after
    /// [`limits::QUIET_WINDOWS_AT_MOST`] windows they are reminded all the same.
    pub(crate) fn tell(
        &mut self,
        key: (BridgeNo, Cause),
        class: ActionClass,
        event: Option<B256>,
        now_secs: u64,
        quiet_secs: u64,
    ) -> bool {
        let last = self.last.get(&key).copied();
        let longest = quiet_secs.saturating_mul(limits::QUIET_WINDOWS_AT_MOST);
        let quiet = last.is_some_and(|last| {
            class <= last.class
                && now_secs <= last.occurred_secs.saturating_add(quiet_secs)
                && now_secs <= last.told_secs.saturating_add(longest)
        });
        let same_event =
            event.is_some_and(|e| self.events.iter().any(|(known, c)| *known == e && *c >= class));
        let tell = !quiet && !same_event;
        let told_secs = match last {
            Some(last) if quiet => last.told_secs,
            _ => now_secs,
        };
        let class = if quiet { last.map_or(class, |last| last.class) } else { class };
        self.last.insert(key, Last { occurred_secs: now_secs, told_secs, class });
        if tell && let Some(event) = event {
            self.events.push((event, class));
        }
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const KEY: (BridgeNo, Cause) = (0, Cause::Unbacked);

    #[test]
    fn quiet_lasts_until_it_was_quiet_or_got_worse() {
        let mut notices = Notices::default();
        let mut tell = |class, at| notices.tell(KEY, class, None, at, DAY);
        assert!(tell(ActionClass::Notify, 0));
        assert!(!tell(ActionClass::Notify, DAY));
        assert!(!tell(ActionClass::Notify, 2 * DAY), "the second occurrence restarted the window");
        assert!(tell(ActionClass::Halt, 2 * DAY + 1), "worse");
        assert!(!tell(ActionClass::Notify, 2 * DAY + 2));
        assert!(tell(ActionClass::Notify, 4 * DAY), "after quiet");
    }

    #[test]
    fn a_trickle_is_told_again_after_a_week() {
        let mut notices = Notices::default();
        let told: Vec<u64> =
            (0..20u64).filter(|day| notices.tell(KEY, ActionClass::Notify, None, day * DAY, DAY)).collect();
        assert_eq!(told, [0, 8, 16]);
    }

    #[test]
    fn one_event_is_told_once_in_a_step_unless_a_later_cause_is_worse() {
        let mut notices = Notices::default();
        let event = Some(B256::repeat_byte(1));
        assert!(notices.tell((0, Cause::LargeTransfer), ActionClass::Notify, event, 0, DAY));
        assert!(!notices.tell((0, Cause::FlowCap), ActionClass::Notify, event, 0, DAY));
        assert!(notices.tell((0, Cause::Conservation), ActionClass::Halt, event, 0, DAY));
        notices.begin_step();
        assert!(notices.tell((1, Cause::FlowCap), ActionClass::Notify, event, 0, DAY));
    }
}
