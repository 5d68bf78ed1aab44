//! What must hold of the store whatever is interrupted and whoever else is at work.

mod memory;
mod orphans;

use memory::{Actor, Memory, every_interleaving, run, run_interleaved};
use proptest::prelude::*;

use crate::{Blobs, Error, Limits, Refused, Upload};

const BYTES: &[u8] = b"seven b";
const LIMITS: Limits = Limits { bytes: 64, head_bytes: 5 };

async fn store(blobs: &Blobs<Memory>, id: &str, bytes: &[u8]) -> Result<Upload, Refused> {
    let mut writer = blobs.writer(id, LIMITS);
    writer.push(bytes).await?;
    writer.finish().await
}

/// None when there is no such blob. Fails where a blob is visible but cannot be read to its end.
async fn load(blobs: &Blobs<Memory>, sha256: &str) -> Result<Option<Vec<u8>>, Error> {
    let Some(manifest) = blobs.find(sha256).await? else { return Ok(None) };
    let mut reader = blobs.reader(manifest);
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.next().await? {
        bytes.extend(chunk);
    }
    Ok(Some(bytes))
}

fn sha256_of(bytes: &[u8]) -> String {
    run(store(&Memory::default().blobs(), "u", bytes)).unwrap().sha256
}

/// Bytes that the row `old` refers to.
fn with_old() -> Memory {
    let memory = Memory::default();
    let upload = run(store(&memory.blobs(), "old", BYTES)).unwrap();
    run(memory.insert_row("old"));
    run(memory.blobs().settle(&upload)).unwrap();
    memory
}

fn registers(memory: &Memory, id: &'static str) -> Actor {
    let memory = memory.clone();
    Box::pin(async move {
        let upload = store(&memory.blobs(), id, BYTES).await.unwrap();
        settles(&memory, upload, id).await;
    })
}

fn settles(memory: &Memory, upload: Upload, row: &'static str) -> Actor {
    let memory = memory.clone();
    Box::pin(async move {
        memory.insert_row(row).await;
        memory.blobs().settle(&upload).await.unwrap();
        let is_referenced = async || memory.is_referenced().await;
        memory.blobs().release(&upload.sha256, is_referenced).await.unwrap();
    })
}

fn discards(memory: &Memory, id: &'static str) -> Actor {
    let memory = memory.clone();
    Box::pin(async move {
        let upload = store(&memory.blobs(), id, BYTES).await.unwrap();
        memory.blobs().discard(&upload, async || memory.is_referenced().await).await.unwrap();
    })
}

fn removes(memory: &Memory, row: &'static str) -> Actor {
    let memory = memory.clone();
    Box::pin(async move {
        memory.delete_row(row).await;
        let sha256 = sha256_of(BYTES);
        memory.blobs().release(&sha256, async || memory.is_referenced().await).await.unwrap();
    })
}

#[track_caller]
fn whoever_is_referred_to_is_whole(memory: &Memory) {
    let loaded = run(load(&memory.blobs(), &sha256_of(BYTES))).unwrap();
    if memory.has_rows() {
        assert_eq!(loaded.as_deref(), Some(BYTES), "{:?}", memory.keys());
    }
}

#[track_caller]
fn nothing_is_left(memory: &Memory) {
    assert_eq!(memory.keys(), Vec::<String>::new());
}

#[test]
fn the_same_bytes_are_stored_once() {
    let memory = with_old();
    let before = memory.keys();
    run(registers(&memory, "new"));
    assert_eq!(memory.keys(), before);
}

#[test]
fn bytes_go_with_the_last_that_refers_to_them() {
    let memory = with_old();
    run(registers(&memory, "new"));
    run(removes(&memory, "old"));
    whoever_is_referred_to_is_whole(&memory);
    run(removes(&memory, "new"));
    nothing_is_left(&memory);
}

#[test]
fn what_was_discarded_or_aborted_leaves_nothing() {
    let memory = Memory::default();
    run(discards(&memory, "u"));
    nothing_is_left(&memory);

    let blobs = memory.blobs();
    let mut writer = blobs.writer("u", LIMITS);
    run(writer.push(BYTES)).unwrap();
    run(writer.abort()).unwrap();
    nothing_is_left(&memory);
}

#[test]
fn the_first_byte_over_the_limit_is_refused() {
    let blobs = Memory::default().blobs();
    let mut writer = blobs.writer("u", Limits { bytes: 7, head_bytes: 0 });
    run(writer.push(BYTES)).unwrap();
    assert!(matches!(run(writer.push(b"!")), Err(Refused::TooLarge)));
}

#[test]
fn an_upload_has_at_least_one_byte() {
    assert!(matches!(run(store(&Memory::default().blobs(), "u", b"")), Err(Refused::Empty)));
}

#[test]
fn the_head_is_kept_across_pushes() {
    let blobs = Memory::default().blobs();
    let mut writer = blobs.writer("u", LIMITS);
    for piece in [&b"ab"[..], b"c", b"defgh", b"i"] {
        run(writer.push(piece)).unwrap();
    }
    assert_eq!(writer.head(), b"abcde");
}

#[test]
fn a_missing_or_short_chunk_is_no_silent_end() {
    let memory = with_old();
    memory.put("blob/old/1", b"b");
    let read = || run(load(&memory.blobs(), &sha256_of(BYTES)));
    assert!(matches!(read(), Err(Error::Damaged { key }) if key == "blob/old/1"));
    memory.lose("blob/old/1");
    assert!(matches!(read(), Err(Error::Damaged { .. })));
}

#[test]
fn uploading_again_repairs() {
    let memory = with_old();
    memory.lose("blob/old/1");
    run(registers(&memory, "new"));
    whoever_is_referred_to_is_whole(&memory);

    memory.put(&format!("blob/{}", sha256_of(BYTES)), b"not a manifest");
    let upload = Upload { id: "new".into(), sha256: sha256_of(BYTES), size: 7 };
    run(memory.blobs().settle(&upload)).unwrap();
    whoever_is_referred_to_is_whole(&memory);
}

#[test]
fn an_upload_survives_any_race_with_the_removal_of_the_same_bytes() {
    every_interleaving(
        || {
            let memory = with_old();
            let actors = vec![registers(&memory, "new"), removes(&memory, "old")];
            (memory, actors)
        },
        whoever_is_referred_to_is_whole,
    );
}

#[test]
fn an_upload_survives_any_race_with_a_discarded_one() {
    every_interleaving(
        || {
            let memory = Memory::default();
            let actors = vec![registers(&memory, "new"), discards(&memory, "other")];
            (memory, actors)
        },
        whoever_is_referred_to_is_whole,
    );
}

/// Two uploads arrived; `one` brought the manifest. `other` is registered and removed again meanwhile.
fn an_upload_keeps_its_bytes(other_settles: bool) {
    every_interleaving(
        || {
            let memory = Memory::default();
            let one = run(store(&memory.blobs(), "one", BYTES)).unwrap();
            let other = run(store(&memory.blobs(), "other", BYTES)).unwrap();
            let there = memory.clone();
            let comes_and_goes: Actor = Box::pin(async move {
                if other_settles {
                    settles(&there, other, "other").await;
                } else {
                    there.insert_row("other").await;
                }
                removes(&there, "other").await;
            });
            let actors = vec![settles(&memory, one, "one"), comes_and_goes];
            (memory, actors)
        },
        whoever_is_referred_to_is_whole,
    );
}

#[test]
fn an_upload_does_not_lose_its_bytes_to_one_that_comes_and_goes() {
    an_upload_keeps_its_bytes(true);
}

/// Whoever removes a row before its uploader settles leaves the bytes to it.
#[test]
fn an_upload_whose_row_goes_before_it_settles_leaves_nothing() {
    every_interleaving(
        || {
            let memory = Memory::default();
            let upload = run(store(&memory.blobs(), "one", BYTES)).unwrap();
            let actors = vec![settles(&memory, upload, "one"), removes(&memory, "one")];
            (memory, actors)
        },
        |memory| {
            if !memory.has_rows() {
                nothing_is_left(memory);
            }
        },
    );
}

#[test]
fn an_upload_whose_chunks_are_gone_does_not_settle() {
    let memory = Memory::default();
    let upload = run(store(&memory.blobs(), "one", BYTES)).unwrap();
    run(memory.insert_row("one"));
    for key in memory.keys() {
        memory.lose(&key);
    }
    assert!(matches!(run(memory.blobs().settle(&upload)), Err(Error::Damaged { .. })));
    nothing_is_left(&memory);
}

#[test]
fn an_upload_that_was_never_settled_is_not_relied_upon() {
    let memory = Memory::default();
    run(store(&memory.blobs(), "lost", BYTES)).unwrap();
    run(registers(&memory, "new"));
    run(removes(&memory, "new"));
    assert_eq!(memory.keys(), ["blob/lost/0", "blob/lost/1"]);
}

#[test]
fn bytes_that_are_not_settled_are_left_to_their_uploader() {
    an_upload_keeps_its_bytes(false);
}

#[test]
fn a_removal_and_a_discarded_upload_leave_nothing_whichever_is_first() {
    every_interleaving(
        || {
            let memory = with_old();
            let actors = vec![removes(&memory, "old"), discards(&memory, "other")];
            (memory, actors)
        },
        nothing_is_left,
    );
}

#[test]
fn two_removals_leave_nothing_whichever_is_first() {
    every_interleaving(
        || {
            let memory = with_old();
            run(registers(&memory, "new"));
            let actors = vec![removes(&memory, "old"), removes(&memory, "new")];
            (memory, actors)
        },
        nothing_is_left,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn many_at_work_leave_what_is_referred_to_whole(order in prop::collection::vec(0_usize..4, 0..80)) {
        let memory = with_old();
        let actors = vec![
            registers(&memory, "a"),
            registers(&memory, "b"),
            removes(&memory, "old"),
            discards(&memory, "c"),
        ];
        let mut order = order.into_iter();
        run_interleaved(actors, |options| order.next().unwrap_or(0) % options);
        whoever_is_referred_to_is_whole(&memory);
    }
}

proptest! {
    #[test]
    fn bytes_come_back_however_they_were_cut(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..7), 1..9)
    ) {
        let bytes = pieces.concat();
        prop_assume!(!bytes.is_empty());
        let blobs = Memory::default().blobs();
        let mut writer = blobs.writer("u", LIMITS);
        for piece in &pieces {
            run(writer.push(piece)).unwrap();
        }
        let upload = run(writer.finish()).unwrap();
        prop_assert_eq!(upload.size, bytes.len() as u64);
        prop_assert_eq!(&upload.sha256, &sha256_of(&bytes));
        prop_assert_eq!(run(load(&blobs, &upload.sha256)).unwrap(), Some(bytes));
    }

    #[test]
    fn a_crash_leaves_nothing_half_written_and_the_rest_intact(
        bytes in prop::collection::vec(any::<u8>(), 1..20),
        writes in 0_usize..12,
        last_one_happens: bool,
        goes_on: bool,
    ) {
        let memory = with_old();
        let blobs = memory.blobs();
        memory.crash_after(writes, last_one_happens);
        run(async {
            let mut writer = blobs.writer("new", LIMITS);
            let stored = match writer.push(&bytes).await {
                Ok(()) => writer.finish().await,
                Err(refused) => Err(refused),
            };
            // Whoever was told of the failure cleans up as far as that goes; a crash does not even ask.
            match stored {
                Ok(upload) if goes_on => {
                    memory.insert_row("new").await;
                    let _ = blobs.settle(&upload).await;
                }
                Err(_) if goes_on => {
                    memory.recover();
                    let _ = writer.abort().await;
                }
                Ok(_) | Err(_) => {}
            }
        });
        memory.recover();
        whoever_is_referred_to_is_whole(&memory);
        let found = run(load(&blobs, &sha256_of(&bytes))).unwrap();
        prop_assert!(found.is_none_or(|it| it == bytes));
    }
}
