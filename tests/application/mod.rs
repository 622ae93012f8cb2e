//! Applications: the model of what they are made of.

mod model;
