def range($from; $to; $by): _range($from; $to; $by) | _tick as $_tick | .;
