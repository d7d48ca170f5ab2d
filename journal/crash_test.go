package journal

func childMain() func() { return nil }
