//! Every path against sums in 64 bits, and against the others.

use super::{
    attention::{Room, Span, attend},
    crew::Crew,
    isa::KernelPath,
    matrix::{Held, Matrix, Source, widen},
    plain,
    product::{Layer, Onto, Tiles, product},
};

/// Numbers between −0.5 and 0.5 that are always the same.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / 16_777_216.0 - 0.5
    }

    fn take(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }
}

fn paths() -> Vec<KernelPath> {
    let here: Vec<KernelPath> = KernelPath::here().collect();
    assert!(here.contains(&KernelPath::Portable));
    here
}

/// Weights in each way of holding them, with what they are in 32 bits.
fn held(values: &[f32], held: Held) -> (Vec<u16>, Vec<f32>) {
    let bits: Vec<u16> = match held {
        Held::F16 => values.iter().map(|v| half::f16::from_f32(*v).to_bits()).collect(),
        Held::Bf16 | Held::F32 => values.iter().map(|v| half::bf16::from_f32(*v).to_bits()).collect(),
    };
    let wide = match held {
        Held::F32 => values.to_vec(),
        _ => bits.iter().map(|bits| widen(held, *bits)).collect(),
    };
    (bits, wide)
}

fn packed(bits: &[u16], wide: &[f32], kind: Held, inputs: usize) -> Matrix {
    let source = match kind {
        Held::Bf16 => Source::Bf16(bits),
        Held::F16 => Source::F16(bits),
        Held::F32 => Source::F32(wide),
    };
    Matrix::pack(&[source], inputs).unwrap()
}

#[test]
fn products_are_those_of_64_bits_on_every_path() {
    let mut crew = Crew::new(2).unwrap();
    let mut numbers = Numbers(1);
    for (rows, inputs, outputs) in [
        (1, 64, 48),
        (2, 7, 32),
        (3, 24, 17),
        (5, 300, 65),
        (13, 576, 96),
        (16, 1_536, 40),
        (29, 513, 33),
        (130, 96, 70),
    ] {
        for kind in [Held::Bf16, Held::F16, Held::F32] {
            let (bits, wide) = held(&numbers.take(outputs * inputs), kind);
            let matrix = packed(&bits, &wide, kind, inputs);
            let (x, bias) = (numbers.take(rows * inputs), numbers.take(outputs));
            let residual = numbers.take(rows * outputs);
            for path in paths() {
                for (bias, onto) in [
                    (None, Onto::Nothing),
                    (Some(&bias), Onto::Nothing),
                    (None, Onto::Output),
                    (Some(&bias), Onto::Output),
                ] {
                    let mut out = residual.clone();
                    let bias = bias.map(Vec::as_slice);
                    product(
                        &mut crew,
                        path,
                        &mut Tiles::default(),
                        &x,
                        Layer { matrix: &matrix, bias },
                        onto,
                        &mut out,
                    );
                    let mut squares = 0.0;
                    for (at, out) in out.iter().enumerate() {
                        let (row, output) = (at / outputs, at % outputs);
                        let pairs =
                            x[row * inputs..].iter().zip(&wide[output * inputs..(output + 1) * inputs]);
                        let sum: f64 = pairs.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                        let sum = sum + bias.map_or(0.0, |bias| f64::from(bias[output]));
                        let sum = sum + if onto == Onto::Output { f64::from(residual[at]) } else { 0.0 };
                        squares += (f64::from(*out) - sum).powi(2);
                    }
                    let rms = (squares / out.len() as f64).sqrt();
                    // A sum of so many products of this size has a spread of √inputs / 12.
                    let share = rms / ((inputs as f64).sqrt() / 12.0);
                    assert!(share < 6e-7, "{path} {kind:?} {rows}x{inputs}x{outputs}: {share:e}");
                }
            }
        }
    }
}

#[test]
fn threads_do_not_change_a_product() {
    let mut numbers = Numbers(2);
    let (bits, wide) = held(&numbers.take(200 * 96), Held::Bf16);
    let (matrix, x) = (packed(&bits, &wide, Held::Bf16, 96), numbers.take(40 * 96));
    for path in paths() {
        let by = |threads| {
            let mut out = vec![0.0; 40 * 200];
            let mut crew = Crew::new(threads).unwrap();
            product(
                &mut crew,
                path,
                &mut Tiles::default(),
                &x,
                Layer { matrix: &matrix, bias: None },
                Onto::Nothing,
                &mut out,
            );
            out
        };
        assert_eq!(by(1), by(3), "{path}");
    }
}

#[test]
fn sources_are_packed_one_below_the_other() {
    let mut numbers = Numbers(3);
    let (a, b) = (numbers.take(3 * 8), numbers.take(2 * 8));
    let matrix = Matrix::pack(&[Source::F32(&a), Source::F32(&b)], 8).unwrap();
    let mut out = vec![0.0; 5];
    let mut one = vec![0.0; 8];
    one[5] = 1.0;
    let mut crew = Crew::new(1).unwrap();
    let layer = Layer { matrix: &matrix, bias: None };
    product(&mut crew, KernelPath::Portable, &mut Tiles::default(), &one, layer, Onto::Nothing, &mut out);
    assert_eq!(out, [a[5], a[8 + 5], a[16 + 5], b[5], b[8 + 5]]);
    assert!(Matrix::pack(&[Source::F32(&a)], 7).is_none(), "no whole rows");
    assert!(Matrix::pack(&[Source::F32(&a), Source::Bf16(&[0; 8])], 8).is_none(), "two formats");
}

#[test]
fn half_floats_widen_exactly() {
    for bits in 0..=u16::MAX {
        let value = half::f16::from_bits(bits);
        let wide = widen(Held::F16, bits);
        assert!(wide == value.to_f32() || value.is_nan() && wide.is_nan(), "{bits:#x}");
    }
}

/// Attention in 64 bits: one query over the positions it sees.
fn plainly(q: &[f32], keys: &[&[f32]], values: &[&[f32]]) -> Vec<f64> {
    let dot = |k: &[f32]| -> f64 { q.iter().zip(k).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let scores: Vec<f64> = keys.iter().map(|k| dot(k) / (q.len() as f64).sqrt()).collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
    let total: f64 = weights.iter().sum();
    let out = |j: usize| weights.iter().zip(values).map(|(w, v)| w / total * f64::from(v[j])).sum();
    (0..q.len()).map(out).collect()
}

#[test]
fn attention_is_that_of_64_bits_on_every_path() {
    let mut numbers = Numbers(4);
    for (width, prompt, own) in [(64, 150, 5), (16, 1, 1), (8, 33, 40), (80, 300, 2)] {
        // Two rows of three query heads; both see the prompt, and each what is its own up to its place.
        let mut lay = |positions: usize| {
            let room = Room::new(positions, width);
            let mut block = vec![f32::NAN; room.len()];
            block.fill(0.0);
            let (k, v) = (numbers.take(positions * width), numbers.take(positions * width));
            for at in 0..positions {
                let range = at * width..(at + 1) * width;
                room.store(
                    &mut block,
                    at,
                    &k[range.clone()].iter().map(|k| k * 4.0).collect::<Vec<_>>(),
                    &v[range],
                );
            }
            (room, block, k.iter().map(|k| k * 4.0).collect::<Vec<_>>(), v)
        };
        let (room, block, k, v) = lay(prompt);
        let (own_room, own_block, own_k, own_v) = lay(own + 1);
        let q = numbers.take(6 * width);
        for path in paths() {
            let spans = [
                Span { block: &block, room, first: 0, queries: 6, seen: prompt, each: None },
                Span { block: &own_block, room: own_room, first: 0, queries: 6, seen: own, each: Some(3) },
            ];
            let mut out = vec![0.0; 6 * width];
            attend(path, &q, &spans, &mut out);
            for query in 0..6 {
                let seen = own + query / 3;
                let all = |a: &'_ [f32], b: &'_ [f32]| -> Vec<Vec<f32>> {
                    let rows = a.chunks(width).take(prompt).chain(b.chunks(width).take(seen));
                    rows.map(<[f32]>::to_vec).collect()
                };
                let (keys, values) = (all(&k, &own_k), all(&v, &own_v));
                let (keys, values): (Vec<&[f32]>, Vec<&[f32]>) =
                    (keys.iter().map(Vec::as_slice).collect(), values.iter().map(Vec::as_slice).collect());
                let wanted = plainly(&q[query * width..(query + 1) * width], &keys, &values);
                for (got, wanted) in out[query * width..].iter().zip(wanted) {
                    assert!(
                        (f64::from(*got) - wanted).abs() < 2e-6,
                        "{path} {width} {query}: {got} {wanted}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_cache_that_grows_keeps_what_it_holds() {
    let mut numbers = Numbers(5);
    let (small, large) = (Room::new(40, 24), Room::new(100, 24));
    let (mut a, mut b) = (vec![0.0; small.len()], vec![0.0; large.len()]);
    let mut direct = vec![0.0; large.len()];
    for at in 0..40 {
        let (k, v) = (numbers.take(24), numbers.take(24));
        small.store(&mut a, at, &k, &v);
        large.store(&mut direct, at, &k, &v);
    }
    large.copy_from(&mut b, small, &a, 40);
    assert_eq!(b, direct);
}

#[test]
fn numbers_one_by_one_are_those_of_64_bits_on_every_path() {
    let mut numbers = Numbers(6);
    for path in paths() {
        let (x, weight) = (numbers.take(100), numbers.take(100));
        let mut out = vec![0.0; 100];
        plain::norm(path, &x, &weight, 1e-5, &mut out);
        let mean = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 100.0;
        for ((out, x), weight) in out.iter().zip(&x).zip(&weight) {
            let wanted = f64::from(*x) / (mean + 1e-5).sqrt() * f64::from(*weight);
            assert!((f64::from(*out) - wanted).abs() < 3e-7, "{path} {out} {wanted}");
        }

        let both: Vec<f32> = (0..200).map(|at| (at as f32 - 50.0) / 2.0).collect();
        let mut out = vec![0.0; 100];
        plain::gate(path, &both, &mut out);
        for (at, out) in out.iter().enumerate() {
            let (gate, up) = (f64::from(both[at]), f64::from(both[at + 100]));
            let wanted = gate / (1.0 + (-gate).exp()) * up;
            assert!(
                (f64::from(*out) - wanted).abs() <= 4e-7 * wanted.abs() + 1e-9,
                "{path} {gate}: {out} {wanted}"
            );
        }

        let mut scores: Vec<f32> = (0..1_000).map(|at| -(at as f32) * 0.08).collect();
        let wanted: Vec<f64> = scores.iter().map(|score| f64::from(*score).exp()).collect();
        assert_eq!(plain::largest(path, &scores), 0.0);
        let total = plain::exponentials(path, &mut scores, 0.0);
        for (score, wanted) in scores.iter().zip(&wanted) {
            assert!((f64::from(*score) / wanted - 1.0).abs() < 2.5e-7, "{path} {score} {wanted}");
        }
        assert!((f64::from(total) / wanted.iter().sum::<f64>() - 1.0).abs() < 3e-7);

        let mut head = numbers.take(16);
        let before = head.clone();
        let angles: Vec<f32> = (0..8).map(|at| at as f32 * 0.7).collect();
        let (sin, cos): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| a.sin_cos()).unzip();
        plain::turn(path, &mut head, &cos, &sin);
        for j in 0..8 {
            let (a, b) = (before[j], before[j + 8]);
            assert!((head[j] - (a * cos[j] - b * sin[j])).abs() < 1e-6);
            assert!((head[j + 8] - (b * cos[j] + a * sin[j])).abs() < 1e-6);
        }
    }
}

#[test]
fn what_is_no_number_does_not_vanish() {
    for path in paths() {
        let room = Room::new(4, 8);
        let mut block = vec![0.0; room.len()];
        for at in 0..4 {
            let key = if at == 2 { [f32::NAN; 8] } else { [0.5; 8] };
            room.store(&mut block, at, &key, &[1.0; 8]);
        }
        let span = Span { block: &block, room, first: 0, queries: 1, seen: 4, each: None };
        let mut out = vec![0.0; 8];
        attend(path, &[1.0; 8], &[span], &mut out);
        assert!(out.iter().all(|out| out.is_nan()), "{path} {out:?}");
    }
}
