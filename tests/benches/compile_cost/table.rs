//! The tables of results.

use crate::arms::Arm;
use crate::count::Counts;
use crate::measure::{Step, Times};
use crate::report::print_ratio;

/// The results of one size.
pub(crate) struct Measured {
    pub(crate) size: usize,
    pub(crate) rounds: u32,
    /// In the order of [`Arm::ALL`], as are the times.
    pub(crate) counts: Vec<Counts>,
    pub(crate) times: Vec<Times>,
}

/// The target of each ratio.
const TARGET: f64 = 1.1;

impl Measured {
    /// A line for each arm, and one for the ratio of factum to the arm by hand.
    pub(crate) fn print(&self) {
        println!(
            "\n{0} events and {0} commands: seconds of the processor (on the clock), the median of {1} rounds",
            self.size, self.rounds
        );
        print(&Step::ALL.map(|step| Column {
            name: step.name(),
            cells:
                self.times.iter().map(|of| format!("{:.3} ({:.3})", of.cpu(step), of.wall(step))).collect(),
            ratio: self.ratio(step),
        }));
        let mut columns = vec![
            self.column("expanded", |of| of.expanded),
            self.column("llvm debug", |of| of.llvm_debug),
            self.column("llvm release", |of| of.llvm_release),
        ];
        if self.has_instructions() {
            columns.push(self.column("instructions", instructions));
        }
        println!();
        print(&columns);
    }

    pub(crate) fn print_ratios(&self, prefix: &str) {
        let print = |what: &str, ratio| {
            print_ratio(&format!("compile/{prefix}{what}-{}-vs-hand", self.size), ratio, "<=", TARGET);
        };
        for step in [Step::Check, Step::Release] {
            print(step.name(), self.ratio(step));
        }
        if self.has_instructions() {
            print("check-instructions", self.column("", instructions).ratio);
        }
    }

    fn ratio(&self, step: Step) -> f64 {
        let (hand, factum) = of_the_same(self.times.iter());
        factum.ratio(hand, step)
    }

    fn column(&self, name: &'static str, count: fn(&Counts) -> u64) -> Column {
        let counts = self.counts.iter().map(count);
        // Far below the largest integer that a float holds exactly.
        #[expect(clippy::cast_precision_loss)]
        let (hand, factum) = of_the_same(counts.clone().map(|count| count as f64));
        Column { name, cells: counts.map(|count| count.to_string()).collect(), ratio: factum / hand }
    }

    fn has_instructions(&self) -> bool {
        self.counts.iter().all(|of| of.instructions.is_some())
    }
}

fn instructions(counts: &Counts) -> u64 {
    counts.instructions.unwrap_or_default()
}

/// The values of the last two arms, which do the same work: by hand, and with factum.
fn of_the_same<T: Copy>(all: impl Iterator<Item = T>) -> (T, T) {
    let all: Vec<_> = all.collect();
    let [.., hand, factum] = all[..] else { unreachable!("there is one for each arm") };
    (hand, factum)
}

/// A value of each arm.
struct Column {
    name: &'static str,
    cells: Vec<String>,
    ratio: f64,
}

fn print(columns: &[Column]) {
    let line = |name: &str, cell: &dyn Fn(&Column) -> String| {
        print!("{name:<8}");
        for column in columns {
            print!("{:>18}", cell(column));
        }
        println!();
    };
    line("", &|column| column.name.to_owned());
    for (index, arm) in Arm::ALL.iter().enumerate() {
        line(arm.name(), &|column| column.cells[index].clone());
    }
    line("of hand", &|column| format!("{:.3}", column.ratio));
}
