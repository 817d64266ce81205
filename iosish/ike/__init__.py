"""IKEv1 (RFC 2407 to 2409, 3706, 3947), as IOS speaks it: sans-IO."""
