import pytest
import torch

from molvae.nn.gru import GRUSteps


@pytest.mark.parametrize("layers", [1, 2])
def test_steps_give_the_states_of_the_library_with_the_input_in_two_parts(layers: int) -> None:
    torch.manual_seed(0)
    gru = torch.nn.GRU(5, 7, num_layers=layers, batch_first=True)
    changing, same, start = torch.randn(3, 4, 2), torch.randn(3, 3), torch.randn(layers, 3, 7)
    with torch.no_grad():
        expected, last = gru(torch.cat([changing, same.unsqueeze(1).expand(-1, 4, -1)], dim=-1), start)
        steps = GRUSteps(gru)
        always, state = steps.gates(same, first=2), start.transpose(0, 1)
        for place in range(4):
            state = steps(steps.gates(changing[:, place]) + always, state)
            torch.testing.assert_close(state[:, -1], expected[:, place])
    torch.testing.assert_close(state.transpose(0, 1), last)


def test_steps_in_bfloat16_keep_their_state_in_float32() -> None:
    torch.manual_seed(0)
    gru = torch.nn.GRU(5, 7, batch_first=True)
    x = torch.randn(3, 5)
    with torch.no_grad():
        exact, coarse = (
            steps(steps.gates(x), torch.zeros(3, 1, 7))
            for steps in (GRUSteps(gru), GRUSteps(gru, precision=torch.bfloat16))
        )
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse, exact, atol=0.02, rtol=0.02)
