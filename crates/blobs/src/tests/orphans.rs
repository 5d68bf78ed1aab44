//! What sweeps erase, and what they leave alone whoever else is at work.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use super::*;
use crate::{Bounds, Cause, Suspicion, Swept};

/// What sweeps noted, with a day between them as far as the test says so.
#[derive(Clone)]
struct Notes {
    memory: Memory,
    today: Rc<RefCell<BTreeSet<String>>>,
    yesterday: Rc<RefCell<BTreeSet<String>>>,
}

impl Notes {
    fn of(memory: &Memory) -> Self {
        Self { memory: memory.clone(), today: Rc::default(), yesterday: Rc::default() }
    }

    fn next_day(&self) {
        let seen = self.today.take();
        *self.yesterday.borrow_mut() = seen;
    }

    fn sweep(&self) -> Swept {
        self.sweep_within("", || false, || false)
    }

    fn sweep_within(
        &self,
        from: &str,
        is_looking_over: impl Fn() -> bool,
        is_erasing_over: impl Fn() -> bool,
    ) -> Swept {
        let bounds = Bounds { from, is_looking_over, is_erasing_over };
        run(self.memory.blobs().sweep(self, bounds)).unwrap()
    }

    /// A sweep to which all that yesterday's found is due.
    fn sweeps(&self) -> Actor {
        let notes = self.clone();
        Box::pin(async move {
            let bounds = Bounds { from: "", is_looking_over: || false, is_erasing_over: || false };
            notes.memory.blobs().sweep(&notes, bounds).await.unwrap();
        })
    }
}

impl Suspicion for Notes {
    async fn is_referenced(&self, _: &str) -> Result<bool, Cause> {
        self.memory.is_referenced().await
    }

    async fn note(&self, names: &[&str], is_all: bool) -> Result<Vec<String>, Cause> {
        let names: BTreeSet<_> = names.iter().map(|it| (*it).to_owned()).collect();
        if self.memory.has_rows() {
            self.yesterday.borrow_mut().remove(&sha256_of(BYTES));
        }
        if is_all {
            self.yesterday.borrow_mut().retain(|it| names.contains(it));
        }
        let due = self.yesterday.borrow().intersection(&names).cloned().collect();
        self.today.borrow_mut().extend(names);
        Ok(due)
    }

    async fn claim(&self, name: &str) -> Result<bool, Cause> {
        Ok(self.yesterday.borrow_mut().remove(name))
    }
}

const NOTHING: Swept = Swept { erased: 0, remaining: false };
const ONE: Swept = Swept { erased: 1, remaining: false };

/// Bytes whose row is gone and whose removal was never finished.
fn forgotten() -> Memory {
    let memory = with_old();
    run(memory.delete_row("old"));
    memory
}

#[test]
fn an_upload_that_was_never_finished_is_erased_when_two_sweeps_found_it_so() {
    let memory = Memory::default();
    let blobs = memory.blobs();
    run(blobs.writer("u", LIMITS).push(b"nine byte")).unwrap();
    let (notes, before) = (Notes::of(&memory), memory.keys());
    assert_eq!(before, ["blob/u/0", "blob/u/1"]);
    assert_eq!((notes.sweep(), notes.sweep()), (NOTHING, NOTHING));
    assert_eq!(memory.keys(), before);
    notes.next_day();
    assert_eq!((notes.sweep(), notes.sweep()), (ONE, NOTHING));
    nothing_is_left(&memory);
}

#[test]
fn an_upload_that_was_finished_between_two_sweeps_stays() {
    let memory = Memory::default();
    let blobs = memory.blobs();
    let notes = Notes::of(&memory);
    let mut writer = blobs.writer("u", LIMITS);
    run(writer.push(BYTES)).unwrap();
    assert_eq!(notes.sweep(), NOTHING);
    let upload = run(writer.finish()).unwrap();
    run(settles(&memory, upload, "u"));
    notes.next_day();
    assert_eq!(notes.sweep(), NOTHING);
    whoever_is_referred_to_is_whole(&memory);
}

#[test]
fn a_blob_that_nothing_refers_to_is_erased_settled_or_not() {
    let unsettled = Memory::default();
    run(store(&unsettled.blobs(), "u", BYTES)).unwrap();
    for memory in [forgotten(), unsettled] {
        let notes = Notes::of(&memory);
        assert_eq!(notes.sweep(), NOTHING);
        notes.next_day();
        assert_eq!(notes.sweep(), ONE);
        nothing_is_left(&memory);
    }
}

#[test]
fn what_is_referred_to_again_is_forgotten_by_sweeps() {
    let memory = forgotten();
    let notes = Notes::of(&memory);
    notes.sweep();
    run(registers(&memory, "new"));
    notes.next_day();
    assert_eq!(notes.sweep(), NOTHING);
    run(memory.delete_row("new"));
    assert_eq!(notes.sweep(), NOTHING, "seen by one sweep only");
}

#[test]
fn bytes_that_are_in_use_stay_beside_orphans_and_what_is_not_ours() {
    let memory = with_old();
    memory.put("blob/lost/0", b"lost");
    memory.put("oidc/keys", b"{}");
    let notes = Notes::of(&memory);
    notes.sweep();
    notes.next_day();
    assert_eq!(notes.sweep(), ONE);
    whoever_is_referred_to_is_whole(&memory);
    assert_eq!(memory.keys().len(), 4, "{:?}", memory.keys());
}

#[test]
fn a_sweep_that_is_late_leaves_the_rest_to_the_next() {
    let memory = forgotten();
    memory.put("blob/lost/0", b"lost");
    let notes = Notes::of(&memory);
    notes.sweep();
    notes.next_day();
    let swept = notes.sweep_within("", || false, after(1));
    assert_eq!(swept, Swept { erased: 1, remaining: true });
    assert_eq!(notes.sweep(), ONE);
    nothing_is_left(&memory);
}

/// True from the time on that it was asked so often.
fn after(times: u32) -> impl Fn() -> bool {
    let asked = std::cell::Cell::new(0);
    move || asked.replace(asked.get() + 1) >= times
}

/// Three blobs of nobody, and chunks.
fn crowd() -> (Memory, Vec<String>) {
    let memory = Memory::default();
    let mut digests: Vec<_> = ["one", "two", "three"]
        .map(|it| run(store(&memory.blobs(), it, it.as_bytes())).unwrap().sha256)
        .into();
    digests.sort_unstable();
    memory.put("blob/lost/0", b"lost");
    (memory, digests)
}

#[test]
fn a_sweep_without_time_for_the_whole_store_does_a_part_of_it() {
    let (memory, digests) = crowd();
    let notes = Notes::of(&memory);
    assert_eq!(notes.sweep(), NOTHING);
    notes.next_day();
    let part = notes.sweep_within(&digests[1], after(1), || false);
    assert_eq!(part, Swept { erased: 1, remaining: true });
    let is_there = |it: &String| memory.keys().iter().any(|key| key.contains(it.as_str()));
    assert_eq!([is_there(&digests[0]), is_there(&digests[1])], [true, false]);
    // What it did not look at is not forgotten.
    assert_eq!(notes.sweep(), Swept { erased: 3, remaining: false });
    nothing_is_left(&memory);
}

/// Else the bytes of a later upload would be due at first sight, while it is at work.
#[test]
fn what_was_referred_to_between_partial_sweeps_is_suspected_anew() {
    let memory = forgotten();
    let notes = Notes::of(&memory);
    notes.sweep();
    notes.next_day();
    run(memory.insert_row("again"));
    notes.sweep_within("", || true, || false);
    run(memory.delete_row("again"));
    assert_eq!(notes.sweep(), NOTHING);
}

#[test]
fn a_sweep_begins_where_it_is_told_and_comes_round() {
    let (memory, digests) = crowd();
    let notes = Notes::of(&memory);
    notes.sweep();
    notes.next_day();
    let beyond = "g".repeat(64);
    let swept = notes.sweep_within(&beyond, after(2), || false);
    assert_eq!(swept, Swept { erased: 2, remaining: true });
    assert!(memory.keys().iter().any(|key| key.contains(&digests[2])), "{:?}", memory.keys());
}

#[test]
fn an_upload_survives_any_race_with_a_sweep_of_the_same_bytes() {
    every_interleaving(
        || {
            let memory = forgotten();
            let notes = Notes::of(&memory);
            notes.sweep();
            notes.next_day();
            let actors = vec![registers(&memory, "new"), notes.sweeps()];
            (memory, actors)
        },
        whoever_is_referred_to_is_whole,
    );
}

#[test]
fn two_sweeps_at_once_leave_nothing() {
    every_interleaving(
        || {
            let memory = forgotten();
            memory.put("blob/lost/0", b"lost");
            let notes = Notes::of(&memory);
            notes.sweep();
            notes.next_day();
            let actors = vec![notes.sweeps(), notes.sweeps()];
            (memory, actors)
        },
        nothing_is_left,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn many_at_work_and_two_sweeps_leave_what_is_referred_to_whole(
        order in prop::collection::vec(0_usize..5, 0..120)
    ) {
        let memory = forgotten();
        let notes = Notes::of(&memory);
        notes.sweep();
        notes.next_day();
        let actors = vec![
            registers(&memory, "a"),
            registers(&memory, "b"),
            discards(&memory, "c"),
            notes.sweeps(),
            notes.sweeps(),
        ];
        let mut order = order.into_iter();
        run_interleaved(actors, |options| order.next().unwrap_or(0) % options);
        whoever_is_referred_to_is_whole(&memory);
    }
}
