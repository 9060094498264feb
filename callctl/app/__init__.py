"""The only place that wires objects together: the switch's process and the web's process."""
