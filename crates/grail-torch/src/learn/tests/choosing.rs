use super::*;
use crate::learn::{FilterSettings, GroupFacts, Kept, LeftOut, Replay, ReplaySettings, pack};
use grail_env::reward::pass_at_k;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn group(value: &Value) -> GroupFacts {
    GroupFacts {
        rewards: floats(&value["rewards"]),
        lengths: counts(&value["completion_lengths"]),
        successes: value["success"].as_array().unwrap().iter().map(|flag| flag == true).collect(),
        advantages: floats(&value["advantages"]),
    }
}

#[test]
fn groups_are_kept_and_ranked_as_by_the_python_trainer() {
    let file = vectors("trainer_misc.json");
    let values = cases(&file["group_filter"], "groups");
    let groups: Vec<GroupFacts> = values.iter().map(group).collect();
    for (group, value) in groups.iter().zip(values) {
        near(group.reward_per_token(), value["reward_per_token"].as_f64().unwrap(), 1e-12, "reward a token");
        near(group.advantage_variance(), value["advantage_variance"].as_f64().unwrap(), 1e-12, "variance");
        let score = FilterSettings::default().score(group);
        near(score, value["efficiency_score"].as_f64().unwrap(), 1e-12, "score");
    }
    for run in cases(&file["group_filter"], "runs") {
        let mut settings = FilterSettings::default();
        for (name, value) in run["config"].as_object().unwrap() {
            let number = value.as_f64().unwrap();
            match name.as_str() {
                "grpo_max_groups" => settings.most_groups = number as usize,
                "grpo_min_success_fraction" => settings.least_success = number,
                "grpo_min_reward_per_token" => settings.least_reward_per_token = number,
                "grpo_reward_per_token_drop_quantile" => settings.drop_quantile = number,
                "grpo_max_completion_tokens" => settings.longest = number as usize,
                other => panic!("{other} is not known"),
            }
        }
        settings.check().unwrap();
        let choice = settings.choose(&groups);
        let kept: Vec<&str> =
            choice.kept.iter().map(|index| values[*index]["id"].as_str().unwrap()).collect();
        assert_eq!(kept, texts(&run["kept_in_order"]), "{}", run["config"]);
        assert_eq!(choice.kept.len() + choice.left_out.len(), groups.len());
    }
}

#[test]
fn each_reason_to_leave_a_group_out_has_its_name() {
    let good = GroupFacts {
        rewards: vec![0.0, 1.0],
        lengths: vec![4, 4],
        successes: vec![false, true],
        advantages: vec![-0.5, 0.5],
    };
    let settings = FilterSettings { group_size: 2, longest: 10, ..FilterSettings::default() };
    assert_eq!(settings.choose(std::slice::from_ref(&good)).kept, [0]);
    let reason = |group: GroupFacts, settings: &FilterSettings| settings.choose(&[group]).left_out;
    let with = |change: fn(&mut GroupFacts)| {
        let mut group = good.clone();
        change(&mut group);
        group
    };
    for (group, wanted) in [
        (with(|g| g.rewards.truncate(1)), LeftOut::Size),
        (with(|g| g.lengths.push(1)), LeftOut::Size),
        (with(|g| g.advantages[0] = 0.0), LeftOut::Unbalanced),
        (with(|g| g.advantages[0] = f64::NAN), LeftOut::Unbalanced),
        (with(|g| g.rewards = vec![0.0, f64::NAN]), LeftOut::Unbalanced),
        (with(|g| g.rewards = vec![1.0, 1.0]), LeftOut::Flat),
        (with(|g| g.lengths[0] = 11), LeftOut::Length),
    ] {
        assert_eq!(reason(group, &settings), [(0, wanted)]);
    }
    let strict = FilterSettings { least_success: 0.6, ..settings };
    assert_eq!(reason(good.clone(), &strict), [(0, LeftOut::Success)]);
    let strict = FilterSettings { least_reward_per_token: 0.2, ..settings };
    assert_eq!(reason(good.clone(), &strict), [(0, LeftOut::Thin)]);
    let one = FilterSettings { most_groups: 1, ..settings };
    assert_eq!(one.choose(&[good.clone(), good.clone()]).left_out, [(1, LeftOut::Rank)]);
    let half = FilterSettings { drop_quantile: 0.5, ..settings };
    assert_eq!(half.choose(&[good.clone(), good]).left_out, [(0, LeftOut::Quantile)]);
}

#[test]
fn batches_by_token_budget_agree_with_the_python_trainer() {
    for case in cases(&vectors("trainer_misc.json"), "token_budget") {
        let most = case["max_length"].as_u64().unwrap() as usize;
        let lengths: Vec<usize> =
            counts(&case["lengths"]).into_iter().map(|length| length.min(most)).collect();
        let batches = pack(&lengths, case["budget"].as_u64().unwrap() as usize).unwrap();
        let wanted: Vec<Vec<usize>> =
            case["batches_of_indices"].as_array().unwrap().iter().map(counts).collect();
        assert_eq!(batches, wanted);
    }
    assert!(pack(&[1], 0).is_err());
}

#[test]
fn pass_at_k_agrees_with_the_python_trainer() {
    let file = vectors("trainer_misc.json");
    let metrics = &file["k_metrics"];
    let mut tasks: std::collections::BTreeMap<&str, (usize, usize)> = Default::default();
    for row in cases(metrics, "rows_task_replicate_reward_success") {
        let (answers, right) = tasks.entry(row[0].as_str().unwrap()).or_default();
        *answers += 1;
        *right += usize::from(row[3] == true);
    }
    assert_eq!(tasks.len(), 5);
    for k in counts(&metrics["report_ks"]) {
        let sum: f64 = tasks.values().map(|(answers, right)| pass_at_k(*answers, *right, k)).sum();
        let wanted = metrics["summary"][format!("pass@{k}")].as_f64().unwrap();
        near(sum / tasks.len() as f64, wanted, 1e-9, &format!("pass@{k}"));
    }
    assert_eq!((pass_at_k(0, 0, 3), pass_at_k(4, 0, 2), pass_at_k(4, 4, 1)), (0.0, 0.0, 1.0));
}

fn filled(case: &Value, most_stale: u64) -> Replay<String, ()> {
    let settings = ReplaySettings {
        windows: case["max_windows"].as_u64().unwrap() as usize,
        groups: case["max_groups"].as_u64().unwrap() as usize,
        recent_share: case["recent_fraction"].as_f64().unwrap(),
        decay: case["decay"].as_f64().unwrap(),
        most_stale,
    };
    let mut replay = Replay::new(settings).unwrap();
    for add in cases(case, "adds") {
        let window = add["window"].as_u64().unwrap();
        let kept = |name: &&str| Kept { key: (*name).to_owned(), checkpoint: window / 30, group: () };
        replay.insert(window, texts(&add["groups"]).iter().map(kept).collect());
    }
    replay
}

/// Which windows stay and how many groups each gives are the Python trainer's; which groups are drawn is on purpose
/// not: it draws with CPython's generator, we with ChaCha20.
#[test]
fn replay_keeps_and_shares_as_the_python_trainer_does() {
    for case in cases(&vectors("trainer_misc.json"), "replay_buffer") {
        let replay = filled(case, 1_000);
        let windows: Vec<usize> = replay.windows().map(|(window, _)| window as usize).collect();
        assert_eq!(windows, counts(&case["kept_windows"]));
        let settings = ReplaySettings {
            groups: case["max_groups"].as_u64().unwrap() as usize,
            recent_share: case["recent_fraction"].as_f64().unwrap(),
            decay: case["decay"].as_f64().unwrap(),
            ..ReplaySettings::default()
        };
        assert_eq!(settings.shares(windows.len()), counts(&case["allocations_old_to_new"]));
        let wanted = &cases(case, "samples")[0];
        let wanted: Vec<&str> = texts(&wanted["groups"]);
        let by_window = |names: &[&str]| {
            let mut prefixes: Vec<String> =
                names.iter().map(|name| name.split('g').next().unwrap().to_owned()).collect();
            prefixes.sort();
            prefixes
        };
        for number in 0..20 {
            let drawn: Vec<&str> =
                replay.draw(&[3; 32], number).iter().map(|kept| kept.key.as_str()).collect();
            let most: usize = replay.windows().map(|(_, groups)| groups.len()).sum();
            assert_eq!(drawn.len(), settings.groups.min(most));
            assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len(), "a group came twice");
            if wanted.len() == drawn.len() {
                assert_eq!(by_window(&drawn), by_window(&wanted));
            }
            let again: Vec<&str> =
                replay.draw(&[3; 32], number).iter().map(|kept| kept.key.as_str()).collect();
            assert_eq!(drawn, again);
        }
    }
}

#[test]
fn stale_groups_retire() {
    let file = vectors("trainer_misc.json");
    let mut replay = filled(&cases(&file, "replay_buffer")[0], 1);
    let windows =
        |replay: &Replay<String, ()>| replay.windows().map(|(window, _)| window).collect::<Vec<_>>();
    assert_eq!(replay.retire(2), 0);
    assert_eq!(windows(&replay), [30, 60]);
    assert_eq!(replay.retire(3), 6);
    assert_eq!(windows(&replay), [60]);
    assert_eq!(replay.retire(9), 5);
    assert!(replay.draw(&[0; 32], 0).is_empty());
}

#[test]
fn groups_of_two_miners_with_one_number_are_two_groups() {
    let mut replay = Replay::new(ReplaySettings::default()).unwrap();
    let kept =
        |miner: &'static str, number: u32| Kept { key: (miner, 60u64, number), checkpoint: 1, group: () };
    replay.insert(60, vec![kept("a", 0), kept("b", 0), kept("a", 1), kept("b", 1), kept("a", 0)]);
    assert_eq!(replay.draw(&[0; 32], 0).len(), 4);
    replay.insert(60, vec![kept("a", 0)]);
    assert_eq!(replay.draw(&[0; 32], 0).len(), 1);
    replay.insert(60, Vec::new());
    assert_eq!(replay.windows().count(), 0);
}

proptest! {
    #[test]
    fn packing_loses_nothing_and_keeps_the_budget(
        lengths in prop::collection::vec(0usize..100, 0..50), budget in 1usize..200,
    ) {
        let batches = pack(&lengths, budget).unwrap();
        let mut all: Vec<usize> = batches.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
        for batch in &batches {
            let load: usize = batch.iter().map(|index| lengths[*index]).sum();
            prop_assert!(load <= budget || batch.len() == 1);
        }
    }
}
