//! The one list of problems, and what is written down of it elsewhere.

use std::fmt::Write as _;

use atthene_core::problem::ProblemCode;

#[test]
fn the_readme_lists_every_problem_as_the_code_has_it() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).expect("a README");
    let (_, rest) = readme.split_once("<!-- problems").expect("a table");
    let (_, rest) = rest.split_once("-->\n").expect("the end of a comment");
    let (table, _) = rest.split_once("<!-- end -->").expect("the end of the table");
    let mut expected = "| code | status | what to do |\n| --- | --- | --- |\n".to_owned();
    for code in ProblemCode::ALL {
        writeln!(expected, "| `{}` | {} | {} |", code.as_str(), code.status(), code.remedy()).expect("written");
    }
    assert_eq!(table, expected);
}
