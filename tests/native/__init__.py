"""Tests of the native worker module against an engine made of a few hundred lines of C."""
