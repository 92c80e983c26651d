//! The laws over numbers of a model: draws, sketches, log-probabilities.

use super::kit::{Topic, bytes32, float, int, int32, key, list};
use grail_protocol::{
    draw::{Sampler, SamplingPolicy},
    logprob,
    seed::{DrawKey, SketchKey},
    sketch,
    stream::Stream,
};
use serde_json::{Value, json};

/// All of them, by file name.
pub(crate) const TOPICS: &[Topic] = &[
    Topic {
        name: "draws",
        about: "logits z_v = (w >> 8)·2⁻²⁴·spread in f32, w the words of Stream(seed, nonce), then the listed tokens set to the listed bits; the drawn token, and the reading of a claimed one",
        inputs: draw_inputs,
        derive: derive_draw,
    },
    Topic {
        name: "sketch",
        about: "states h_j = ((w >> 8)·2⁻²⁴ − 1/2)·scale in f32, times 16 where j mod 97 = 0, w the words of Stream(seed, nonce); the sketch byte",
        inputs: || {
            let mut cases = Vec::new();
            for (k, width) in [1, 2, 7, 8, 9, 64, 576, 896, 3_584].into_iter().enumerate() {
                for t in [0u32, 1, 1_023] {
                    let scale = [1.0f32, 0.003, 250.0][k % 3].to_bits();
                    cases.push(json!({"seed": key(70 + k as u64), "nonce": t, "width": width, "scale": scale, "key": key(80 + k as u64), "t": t}));
                }
            }
            cases
        },
        derive: |input| {
            let state = state(input);
            let sketch_key = SketchKey::from_bytes(bytes32(&input["key"]));
            json!(sketch::sketch(&state, &sketch_key, int32(&input["t"])).unwrap())
        },
    },
    Topic {
        name: "distance",
        about: "distance between two sketches: worst |e|, its position, RMS after the allowance, floats as f32 bits; null for lengths that differ or are zero",
        inputs: || {
            vec![
                json!({"claimed": [0, 0, 0], "own": [0, 0, 0]}),
                json!({"claimed": [1], "own": [0]}),
                json!({"claimed": [127, -127, 5, 5], "own": [-127, 127, 5, 6]}),
                json!({"claimed": [3, 3, 3, 3, 3, 3, 3, 3], "own": [1, 2, 3, 4, 5, 6, 7, 8]}),
                json!({"claimed": [1, 2], "own": [1]}),
                json!({"claimed": [], "own": []}),
            ]
        },
        derive: |input| {
            let [claimed, own] = ["claimed", "own"]
                .map(|name| list(&input[name]).iter().map(|y| y.as_i64().unwrap() as i8).collect::<Vec<_>>());
            match sketch::distance(&claimed, &own) {
                None => Value::Null,
                Some(d) => {
                    json!({"worst": d.worst.to_bits(), "worst_at": d.worst_at, "rms": d.rms.to_bits()})
                }
            }
        },
    },
    Topic {
        name: "logprob",
        about: "log-probabilities in nats (f32 bits) to units of 1/1024, halves away from zero; null for NaN",
        inputs: || {
            let nats = [
                0.0,
                -0.0,
                1e-6,
                0.5,
                -1.0,
                -1.5 / 1_024.0,
                -2.5 / 1_024.0,
                -0.3,
                -31.999,
                -32.0,
                -33.0,
                f32::NEG_INFINITY,
                f32::INFINITY,
                f32::NAN,
            ];
            nats.map(|nats: f32| json!({"nats": nats.to_bits()})).into()
        },
        derive: |input| json!(logprob::quantise(float(&input["nats"]))),
    },
];

fn unit(stream: &mut Stream) -> f32 {
    (stream.word() >> 8) as f32 / 16_777_216.0
}

/// Logits of a case.
pub(crate) fn logits(input: &Value) -> Vec<f32> {
    let mut stream = Stream::new(&bytes32(&input["seed"]), int(&input["nonce"]));
    let spread = float(&input["spread"]);
    let mut logits: Vec<f32> = (0..int(&input["vocabulary"])).map(|_| unit(&mut stream) * spread).collect();
    for peak in list(&input["peaks"]) {
        logits[int(&peak[0]) as usize] = float(&peak[1]);
    }
    logits
}

fn state(input: &Value) -> Vec<f32> {
    let mut stream = Stream::new(&bytes32(&input["seed"]), int(&input["nonce"]));
    let scale = float(&input["scale"]);
    (0..int(&input["width"]))
        .map(|j| (unit(&mut stream) - 0.5) * scale * if j % 97 == 0 { 16.0 } else { 1.0 })
        .collect()
}

fn draw_inputs() -> Vec<Value> {
    let mut cases = Vec::new();
    // (vocabulary, spread, peaks, temperature, top-p)
    type Shape = (u64, f32, &'static [(u64, f32)], f32, f32);
    let shapes: [Shape; 10] = [
        (1, 1.0, &[], 1.0, 0.95),
        (2, 0.0, &[], 1.0, 1.0),
        (7, 3.0, &[], 1.0, 0.5),
        (50, 12.0, &[(3, 20.0), (49, 19.5)], 1.0, 0.95),
        (50, 200.0, &[], 0.05, 0.95),
        (1_000, 10.0, &[(999, 14.0)], 1.3, 0.9),
        (4_096, 8.0, &[], 1.0, 0.95),
        (4_097, 2.0, &[(4_096, 9.0), (0, 9.0)], 0.7, 1.0),
        (49_152, 9.0, &[(17, 18.0), (30_000, 17.5), (5, 16.0)], 1.0, 0.95),
        (152_064, 12.0, &[(152_063, 24.0), (1, 23.0), (77_777, 22.5), (4, 20.0)], 1.0, 0.95),
    ];
    for (k, (vocabulary, spread, peaks, temperature, top_p)) in shapes.into_iter().enumerate() {
        let peaks: Vec<Value> = peaks.iter().map(|(token, z)| json!([token, z.to_bits()])).collect();
        let steps = if vocabulary > 10_000 { 1 } else { 6 };
        for t in 0..steps {
            let claimed = [vocabulary - 1, 0, vocabulary / 2][t as usize % 3];
            cases.push(json!({
                "seed": key(90 + k as u64), "nonce": t, "vocabulary": vocabulary, "spread": spread.to_bits(), "peaks": peaks,
                "temperature": temperature.to_bits(), "top_p": top_p.to_bits(), "slack": 1e-4f64.to_bits(),
                "key": key(100 + k as u64), "t": t * 200, "claimed": claimed,
            }));
        }
    }
    cases
}

fn derive_draw(input: &Value) -> Value {
    let logits = logits(input);
    let policy = SamplingPolicy { temperature: float(&input["temperature"]), top_p: float(&input["top_p"]) };
    let draw_key = DrawKey::from_bytes(bytes32(&input["key"]));
    let (t, claimed) = (int32(&input["t"]), int32(&input["claimed"]));
    let slack = f64::from_bits(int(&input["slack"]));
    let mut sampler = Sampler::new();
    let drawn = sampler.draw(&logits, &policy, &draw_key, t).unwrap();
    let reading = sampler.read(&logits, &policy, slack, &draw_key, t, claimed).unwrap();
    json!({
        "token": drawn.token,
        "logprob": drawn.logprob.to_bits(),
        "reading": {
            "margin": reading.margin.to_bits(),
            "in_outer": reading.in_outer,
            "winner": reading.winner,
            "logprob": reading.logprob.to_bits(),
            "gini": reading.gini.to_bits(),
        },
    })
}
