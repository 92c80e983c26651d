use grail_ports::learn::{Learner, Lesson, LessonRollout};
use grail_protocol::words::{GroupIndex, Hotkey, TokenId, WindowStart};
use serde_json::json;
use std::{collections::BTreeMap, fs, path::Path};

/// Groups of sixteen rollouts of which half are right, in tokens that every vocabulary has.
fn lessons(window: u64) -> Vec<Lesson> {
    let rollout = |number: u32| LessonRollout {
        tokens: (0..6).map(|i| 3 + (number * 7 + i) % 50).collect(),
        logprobs: vec![-4.0; 6],
        reward: if number.is_multiple_of(2) { 0.9 } else { 0.1 },
        right: number.is_multiple_of(2),
    };
    let lesson = |group: u32| Lesson {
        hotkey: Hotkey::from_bytes([1; 32]),
        window: WindowStart(window),
        group: GroupIndex(group),
        checkpoint: 0,
        prompt: (3..10 as TokenId).collect(),
        rollouts: (group..group + 16).map(rollout).collect(),
    };
    (0..3).map(lesson).collect()
}

/// Examines learners: `start` makes one over the same saved state, as a start of the program does, and there is none yet.
/// `folder` is empty.
///
/// # Panics
/// When a promise of [`Learner`] is broken.
pub fn learn<L: Learner>(mut start: impl FnMut() -> L, folder: &Path) {
    let mut exports = 0;
    let mut weights = |learner: &mut L| -> BTreeMap<String, Vec<u8>> {
        exports += 1;
        let folder = folder.join(exports.to_string());
        fs::create_dir(&folder).expect("room for the weights");
        learner.export(&folder).expect("the weights are written");
        let files = fs::read_dir(&folder).expect("they are there").map(|entry| entry.expect("a file"));
        files
            .map(|file| {
                (file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).expect("read"))
            })
            .collect()
    };
    let mut learner = start();
    let card = learner.card();
    assert!(card.vocabulary > 60 && card.context_length > 20, "{card:?}");
    assert_eq!(learner.restore().expect("the state is looked for"), None, "nothing was saved");
    let untaught = weights(&mut learner);
    assert!(!untaught.is_empty(), "a model is files");

    let window = |number: u64| WindowStart(number * 50);
    let study = learner.study(window(1), 0, Vec::new(), &mut || true).expect("an empty window is studied");
    assert_eq!((study.steps, study.groups_used), (0, 0), "nothing is learned from nothing");
    assert_eq!(weights(&mut learner), untaught, "and nothing moves");
    let first = learner.study(window(2), 0, lessons(100), &mut || true).expect("a window is studied");
    assert!(first.steps > 0 && first.steps_in_all >= u64::from(first.steps), "{first:?}");
    let taught = weights(&mut learner);
    assert_ne!(taught, untaught, "learning moves the weights");
    assert_eq!(weights(&mut learner), taught, "writing them does not");

    let journal = json!({ "trained": 100, "deep": [1, { "list": null }] });
    learner.save(&journal).expect("the state is saved");
    let onward = learner.study(window(3), 0, lessons(150), &mut || true).expect("the next is studied");
    let further = weights(&mut learner);
    // A kill, and the same windows again.
    drop(learner);
    let mut learner = start();
    assert_eq!(
        learner.restore().expect("the state is read").as_ref(),
        Some(&journal),
        "its journal comes back"
    );
    assert_eq!(weights(&mut learner), taught, "with the weights of that moment");
    let unwanted = learner.study(window(3), 0, lessons(150), &mut || false);
    assert!(unwanted.is_err(), "work that nobody wants stops");
    assert_eq!(learner.restore().expect("the state is read").as_ref(), Some(&journal));
    let again = learner.study(window(3), 0, lessons(150), &mut || true).expect("it is studied after all");
    assert_eq!(again, onward, "the same state and windows, the same study");
    assert_eq!(weights(&mut learner), further, "and the same weights");
    let newer = json!({ "trained": 150 });
    learner.save(&newer).expect("the state is saved");
    drop(learner);
    assert_eq!(start().restore().expect("the state is read"), Some(newer), "the newest state counts");
}
