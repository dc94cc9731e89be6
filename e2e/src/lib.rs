//! Real nodes, a real database, scripted attacks and faults.
