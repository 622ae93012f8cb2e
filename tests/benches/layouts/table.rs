//! Figures as Markdown.

use crate::turns::Figures;

pub(crate) struct Table<'t> {
    pub(crate) columns: &'t [&'t str],
    /// Each a name and its figures, one a column.
    pub(crate) rows: Vec<(&'t str, &'t [Figures])>,
}

impl Table<'_> {
    pub(crate) fn print_medians(&self, title: &str) {
        self.print_head(title);
        for (name, figures) in &self.rows {
            print_row(name, figures.iter().map(|figures| grouped(figures.median())));
        }
    }

    /// What each row is of the first one, and then of other ones: pairs of numbers of rows.
    pub(crate) fn print_ratios(&self, title: &str, others: &[(usize, usize)]) {
        self.print_head(title);
        let ratios = |row: usize, base: usize| {
            let pairs = self.rows[row].1.iter().zip(self.rows[base].1);
            pairs.map(|(figures, base)| format!("{:.2}", figures.over(base)))
        };
        for (row, (name, _)) in self.rows.iter().enumerate() {
            print_row(name, ratios(row, 0));
        }
        for &(row, base) in others {
            let name = format!("{}, of {}", self.rows[row].0, self.rows[base].0);
            print_row(&name, ratios(row, base));
        }
    }

    fn print_head(&self, title: &str) {
        println!("\n{title}\n");
        print_row("", self.columns.iter().map(ToString::to_string));
        println!("|---|{}", "---:|".repeat(self.columns.len()));
    }
}

fn print_row(name: &str, cells: impl Iterator<Item = String>) {
    println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
}

/// Whole, with the thousands apart.
fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
